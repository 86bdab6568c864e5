//! Serves the rehearsal model until standard input closes or Ctrl-C comes, to try an agent against it by hand:
//!
//! ```text
//! cargo run -p legwork-gateway --example rehearse [SCRIPT.toml]
//! echo 'Please [[write: hello.txt | hi]]' | ANTHROPIC_BASE_URL=… ANTHROPIC_API_KEY=any claude -p --permission-mode acceptEdits
//! ```

use std::error::Error;
use std::path::Path;

use legwork_gateway::rehearsal::{Rehearsal, Script};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let script = std::env::args().nth(1).map(|path| Script::load(Path::new(&path))).transpose()?;
    let rehearsal = Rehearsal::start(script, None).await?;
    println!("{}", rehearsal.base_url());
    let (mut stdin, mut ignored) = (tokio::io::stdin(), tokio::io::sink());
    tokio::select! {
        _ = tokio::io::copy(&mut stdin, &mut ignored) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    rehearsal.shutdown().await;
    // A read of standard input cannot be called off, so the runtime would wait for it.
    std::process::exit(0)
}
