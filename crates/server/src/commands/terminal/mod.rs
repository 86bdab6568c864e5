//! What a person sees at a terminal. Everything that an agent, a repository or a server says goes through
//! [`plain`] before: text must not be able to move the cursor, change the title or hide what it says.

mod amounts;
mod plain;
mod screen;
mod style;
mod table;
mod transcript;

pub use amounts::{amounts, dollars, duration, summary};
pub use plain::{one_line, plain, plain_json, shorten};
pub use screen::Screen;
pub use style::{Line, Style};
pub use table::aligned;
pub use transcript::Transcript;
