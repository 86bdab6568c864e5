# An agent that serves HTTP: it tells of what happens at /event, and takes what is said at /say. It asks something once there is a
# file `go`, writes `asked` then, and leaves when it is told so.
import http.server, json, os, queue, sys, threading, time

happened = queue.Queue()
happened.put("before")


class Agent(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"data: %s\n\n" % json.dumps({"type": happened.get()}).encode())
            self.wfile.flush()

    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))["text"]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
        self.wfile.flush()
        happened.put(said)

    def log_message(self, *_):
        pass


def ask():
    while not os.path.exists("go"):
        time.sleep(0.02)
    happened.put("ask")
    while not happened.empty():
        time.sleep(0.02)
    open("asked", "w").close()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent)
threading.Thread(target=ask, daemon=True).start()
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
