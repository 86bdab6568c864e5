//! The front page.

use axum::response::Html;

/// Where a browser lands.
pub async fn page() -> Html<&'static str> {
    Html(include_str!("home.html"))
}
