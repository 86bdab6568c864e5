//! The model proxy between a client and an API that writes down what it is asked.
#![expect(clippy::expect_used, reason = "a test may panic, also in its helpers")]

mod api;
mod run;

mod accounts;
mod logins;
mod passing;
mod refusing;
mod streaming;
