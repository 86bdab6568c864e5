//! Lines and how they look.

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// What somebody does.
    Bold,
    /// What matters less.
    Dim,
    /// What went well.
    Good,
    /// What may go wrong.
    Warning,
    /// What went wrong.
    Bad,
}

impl Style {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Warning => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

/// A line to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How it looks.
    pub style: Style,
    /// What it says; holds no line breaks and nothing that a terminal obeys.
    pub text: String,
}

impl Line {
    /// A line.
    pub fn new(style: Style, text: impl Into<String>) -> Self {
        Self { style, text: text.into() }
    }

    /// The line as a terminal gets it.
    pub fn painted(&self, colour: bool) -> String {
        match self.style.code().filter(|_| colour && !self.text.is_empty()) {
            Some(code) => format!("\u{1b}[{code}m{}\u{1b}[0m", self.text),
            None => self.text.clone(),
        }
    }
}
