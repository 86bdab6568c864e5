//! Gets an image from where its name says.

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::TryStreamExt;
use tokio::time::timeout;

use super::super::DockerError;
use super::super::engine::Known;
use super::super::error::words;
use super::Images;

impl Images {
    /// Pulls an image, unless that is switched off.
    pub(in super::super) async fn pull(&self, known: &Known, image: &str) -> Result<(), DockerError> {
        let missing = |message: String| DockerError::ImageMissing { image: image.to_owned(), message };
        let Some(limit) = self.pulling else { return Err(missing("pulling is switched off".to_owned())) };
        let options = CreateImageOptionsBuilder::default().from_image(&one_of(image)).build();
        let docker = known.patient();
        let pulled = docker.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) });
        match timeout(limit, pulled).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(missing(words(&error))),
            Err(_) => Err(DockerError::Slow { what: format!("Pulling the image {image}"), seconds: limit.as_secs() }),
        }
    }
}

/// Without a tag, all of them would come.
fn one_of(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::one_of;

    #[test]
    fn one_image_is_pulled_and_no_more() {
        for (named, pulled) in [
            ("node", "node:latest"),
            ("host:5000/node", "host:5000/node:latest"),
            ("host:5000/node:22", "host:5000/node:22"),
            ("node@sha256:00", "node@sha256:00"),
        ] {
            assert_eq!(one_of(named), pulled);
        }
    }
}
