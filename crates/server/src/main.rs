//! The binary `legwork`.
// The future of a whole server is made of futures in futures, deeper than the compiler looks by default.
#![recursion_limit = "256"]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use legwork_server::commands::{
    Failure, agents, budget, config, doctor, executions, images, key, openapi, prices, run, secret, serve, supervise,
    usage, worker,
};
use legwork_server::config::Environment;

/// Runs coding agents as durable jobs: one binary, one API.
#[derive(Debug, Parser)]
#[command(name = "legwork", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Worker(worker::Worker),
    Run(Box<run::Run>),
    Executions(executions::Executions),
    Doctor(doctor::Doctor),
    Agents(agents::Agents),
    Images(images::Images),
    Key(key::Key),
    Prices(prices::Prices),
    Budget(budget::Budget),
    Usage(usage::Usage),
    Secret(secret::Secret),
    Config(config::Config),
    #[command(hide = true)]
    Supervise(supervise::Supervise),
    /// Prints the OpenAPI description of the native API
    #[command(name = "openapi")]
    OpenApi,
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let environment = Environment::of_process();
    // Neither the ring provider nor the runtime can be made twice, and neither was made before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut runtime = match command {
        // One for each server, beside it: it is to stay small.
        Command::Supervise(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::new(format!("failed to start: {error}"))),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run(environment).await.map(|()| ExitCode::SUCCESS),
            Command::Worker(worker) => worker.run(environment).await.map(|()| ExitCode::SUCCESS),
            Command::Run(run) => run.run(environment).await,
            Command::Executions(executions) => executions.run(environment).await.map(|()| ExitCode::SUCCESS),
            Command::Doctor(doctor) => doctor.run(environment).await,
            Command::Images(images) => images.run(&environment).await.map(|()| ExitCode::SUCCESS),
            Command::Agents(agents) => agents.run(environment).await,
            Command::Key(key) => key.run(environment).await.map(|()| ExitCode::SUCCESS),
            Command::Budget(budget) => budget.run(environment).await.map(|()| ExitCode::SUCCESS),
            Command::Usage(usage) => usage.run(environment).await.map(|()| ExitCode::SUCCESS),
            Command::Secret(secret) => secret.run(environment).await.map(|()| ExitCode::SUCCESS),
            Command::Config(config) => config.run(&environment).map(|()| ExitCode::SUCCESS),
            Command::Prices(prices) => prices.run(&environment).map(|()| ExitCode::SUCCESS),
            Command::Supervise(supervise) => supervise.run().await.map(|()| ExitCode::SUCCESS),
            Command::OpenApi => openapi::run().map(|()| ExitCode::SUCCESS),
        }
    });
    // Blocking work that nobody waits for must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done.unwrap_or_else(|failure| report(&failure))
}

fn report(failure: &Failure) -> ExitCode {
    eprintln!("legwork: {}", failure.message);
    ExitCode::from(failure.code)
}
