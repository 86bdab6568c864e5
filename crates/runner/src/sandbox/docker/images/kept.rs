//! The images that were built here.

use std::collections::HashMap;

use bollard::models::ImageSummary;
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use legwork_model::Timestamp;

use super::super::DockerError;
use super::super::error::{status, words};
use super::super::labels;
use super::Images;

/// An image that a setup script made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// Its name.
    pub tag: String,
    /// What it was made of.
    pub base: String,
    /// When.
    pub created: Timestamp,
    /// Bytes, those of its base included.
    pub size: u64,
}

impl Images {
    /// The images that were built here, the newest first.
    ///
    /// # Errors
    /// Where the engine does not answer.
    pub async fn list(&self) -> Result<Vec<BuiltImage>, DockerError> {
        let known = self.engine.known().await?;
        let built = HashMap::from([("label".to_owned(), vec![labels::BUILT.to_owned()])]);
        let options = ListImagesOptionsBuilder::default().filters(&built).build();
        let found = known.docker.list_images(Some(options)).await;
        let found = found.map_err(|error| DockerError::Engine(words(&error)))?;
        let mut images: Vec<_> = found.into_iter().filter_map(built_image).collect();
        images.sort_by_key(|image| std::cmp::Reverse(image.created.as_millis()));
        Ok(images)
    }

    /// Removes those that were built before a moment and that no container needs, and says which.
    ///
    /// # Errors
    /// Where the engine does not answer.
    pub async fn prune(&self, before: Timestamp) -> Result<Vec<BuiltImage>, DockerError> {
        let known = self.engine.known().await?;
        let mut removed = Vec::new();
        for image in self.list().await?.into_iter().filter(|image| image.created.as_millis() < before.as_millis()) {
            let options = RemoveImageOptionsBuilder::default().build();
            match known.docker.remove_image(&image.tag, Some(options), None).await {
                // A container needs it, or it is gone.
                Err(error) if !matches!(status(&error), Some(404 | 409)) => {
                    return Err(DockerError::Engine(words(&error)));
                }
                Err(_) => {}
                Ok(_) => removed.push(image),
            }
        }
        Ok(removed)
    }
}

fn built_image(found: ImageSummary) -> Option<BuiltImage> {
    Some(BuiltImage {
        tag: found.repo_tags.into_iter().next().map(|tag| own_name(&tag).to_owned())?,
        base: found.labels.get(labels::BASE).cloned().unwrap_or_default(),
        created: Timestamp::from_millis(found.created.saturating_mul(1000)),
        size: u64::try_from(found.size).unwrap_or_default(),
    })
}

/// Podman names the registry that an image would come from, also where it was built here.
fn own_name(tag: &str) -> &str {
    tag.strip_prefix("docker.io/").unwrap_or(tag)
}
