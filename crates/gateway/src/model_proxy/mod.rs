//! The model proxy: what stands between agents and the APIs of their models.
//!
//! Each run knows the proxy alone, and shows a token of its own there that is good until the run ends. The real credential is
//! put into a request on its way out, where nothing that pays is left of what came from inside; only what agents need of an
//! API is there. Answers go back byte for byte as they come, and are read along: every request ends as a line in the books of
//! its run, with its tokens and what they cost. Nothing is repeated on its own account, but for a login that had to be renewed.
//!
//! A request flows through the modules in this order. Keeping the books, and deciding about budgets, is not done here.

mod proxy;
mod run;

mod allowed;
mod asked;
mod clients;
mod endpoint;
mod exchange;
mod gathered;
mod refusal;

mod breaker;
mod credential;
mod limits;
mod login;
mod pool;

mod answer;
mod meter;
mod prices;
mod tokens;

pub use crate::accept::Guard;
pub use allowed::AllowedModels;
pub use breaker::{Cause, Held};
pub use clients::Clients;
pub use credential::Credential;
pub use login::{Keep, Login, LoginError};
pub use pool::{Account, Pool};
pub use prices::{Dollars, LongPrice, Price, Prices};
pub use proxy::{Limits, ModelProxy};
pub use run::{Admission, Answered, Books, Pass};
pub use tokens::Tokens;
