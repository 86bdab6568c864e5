//! Calls of a coding agent, over HTTP (`POST /execute`, signed) or Redis.
//!
//! An [`Executor`] takes a [`Call`] and gives its [`Output`]. [`Settings`] decide which one it is, so that callers do not
//! change when the way does. A [`CircuitBreaker`] around an executor leaves a service alone that fails, and a [`Fallback`]
//! says what to do then. Every wait has a deadline, and no error tells a secret.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use legwork_client::{Call, CircuitBreaker, Executor, Settings};
//!
//! let settings = Settings::from_variables(|name| std::env::var(name).ok())?;
//! let executor = CircuitBreaker::around(settings.executor()?);
//! let output = executor.execute(&Call::new("Say hello.").args(["--model", "haiku"])).await?;
//! println!("{}", output.text);
//! # Ok(())
//! # }
//! ```
//!
//! What is not here: the native API (`/v1/executions`), which needs no client but HTTP, and retries. A call may have run
//! although its answer was lost; only who calls knows whether it may run twice.

pub mod settings;

pub mod call;
pub mod executor;

pub mod http;
pub mod redis;

pub mod breaker;
pub mod fallback;

pub mod error;

pub use breaker::{BreakerRules, Change, CircuitBreaker};
pub use call::{Call, Output};
pub use error::{Error, FailureCode, InvalidSettings};
pub use executor::{Executing, Executor};
pub use fallback::{Answer, Fallback};
pub use http::HttpExecutor;
pub use redis::{Delivery, RedisExecutor};
pub use settings::{Secret, Settings};
