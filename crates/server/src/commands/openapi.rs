//! `legwork openapi`

use super::{Failure, print};
use crate::doors::web::docs::description;

/// Prints the OpenAPI 3.1 description of the native API.
///
/// # Errors
/// Where it can't be written as JSON.
pub fn run() -> Result<(), Failure> {
    print(&description().to_pretty_json().map_err(|error| Failure::new(error.to_string()))?).map(drop)
}
