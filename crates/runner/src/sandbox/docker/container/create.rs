//! Makes a container, not yet started.

use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;

use super::super::DockerError;
use super::super::engine::Known;
use super::super::error::{status, words};
use super::super::images::Images;

/// Its id. An image that is not there is pulled; a name that is taken is done without.
pub(in super::super) async fn create(
    known: &Known,
    images: &Images,
    name: &str,
    body: &ContainerCreateBody,
) -> Result<String, DockerError> {
    let mut created = named(known, name, body).await;
    if let Err(error) = &created
        && status(error) == Some(404)
    {
        let image = body.image.as_deref().unwrap_or_default();
        images.pull(known, image).await?;
        created = named(known, name, body).await;
    }
    created.map_err(|error| DockerError::Engine(words(&error)))
}

async fn named(known: &Known, name: &str, body: &ContainerCreateBody) -> Result<String, Error> {
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    let created = match known.docker.create_container(Some(options), body.clone()).await {
        Err(error) if is_taken(&error) => known.docker.create_container(None, body.clone()).await?,
        created => created?,
    };
    Ok(created.id)
}

/// Podman says it in words alone.
fn is_taken(error: &Error) -> bool {
    status(error) == Some(409) || words(error).contains("is already in use")
}
