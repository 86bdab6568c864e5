//! Who is told how far an image is.

use tokio::sync::mpsc;

/// Takes lines of text while an image is pulled and built. What nobody has room for is dropped: it is there to be looked
/// at, and holds nothing up.
#[derive(Debug, Clone)]
pub struct Progress(Option<mpsc::Sender<String>>);

impl Progress {
    /// Tells `listener`.
    pub fn to(listener: mpsc::Sender<String>) -> Self {
        Self(Some(listener))
    }

    /// Tells nobody.
    pub fn unheard() -> Self {
        Self(None)
    }

    pub(super) fn tell(&self, text: &str) {
        let Some(listener) = &self.0 else { return };
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let _ = listener.try_send(line.to_owned());
        }
    }
}
