//! An agent that serves HTTP inside, in a network that only its own bridge can enter.

use legwork_agents::HttpServer;
use legwork_model::Limits;

use crate::lab::{Lab, has_bubblewrap};

fn server() -> HttpServer {
    HttpServer {
        announced_by: "listening on ".into(),
        events: "/event".into(),
        unwanted: Vec::new(),
        user: "me".into(),
        password_variable: "PASSWORD".into(),
    }
}

const AGENT: &str = r#"
import http.server
class Events(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'data: {"type": "from inside"}\n\n'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Events)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.handle_request()
"#;

#[tokio::test]
async fn what_it_serves_on_loopback_is_reached_from_outside() {
    if !has_bubblewrap().await {
        return;
    }
    let lab = Lab::new(1000);
    let mut launch = lab.launch("");
    launch.program = "/usr/bin/python3".into();
    launch.args = vec!["-c".into(), AGENT.into()];
    launch.http = Some(server());
    let told = lab.start_launch(launch, Limits::default()).end().await;
    assert!(told.kept.contains(r#"{"event":{"type": "from inside"}}"#), "{told:?}");
}
