"""A small server that speaks OpenAI's chat form, in a process of its own; the model's name picks how it behaves.

Prints its port, then serves until it is killed.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODES = {
    "empty": b'{"choices": [{"message": {"content": "   "}}]}',
    "null": b'{"choices": [{"message": {"content": null}}]}',
    "no-choices": b'{"choices": []}',
    "list": b"[1, 2]",
    "number": b"5",
    "not-json": b"<html>hello</html>",
    "deep": b"[" * 200_000,
    "not-utf8": b'{"choices": "\xff\xfe"}',
    "huge": b'{"choices": [{"message": {"content": "' + b"x" * 5_000_000 + b'"}}]}',
}


class Handler(BaseHTTPRequestHandler):
    """Answers POST /v1/chat/completions."""

    def log_message(self, *_: object) -> None:
        """Keeps the test's output quiet."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        mode = request["model"]
        if self.path != "/v1/chat/completions":
            self.reply(404, b"{}")
        elif mode.isdigit():
            self.reply(int(mode), b'{"error": "sk-secret in the body"}')
        elif mode == "redirect":
            self.send_response(307)
            self.send_header("Location", sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:1/v1")
            self.end_headers()
        elif mode.startswith("slow"):
            self.drip(mode)
        elif mode == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices"')
        else:
            self.reply(200, MODES.get(mode) or self.chat(mode, request))

    def chat(self, mode: str, request: dict) -> bytes:
        """A proper answer; what it says depends on the mode."""
        texts = {
            "good": "There are twelve\nalbums.",
            "echo": json.dumps(request),
            "key": self.headers.get("Authorization", "none"),
            "markup": "<b>12</b> \x1b[31malbums\u202e.",
            "thinking": "<think>Let me see.\nRows...</think>\n\nThere are 12.",
            "only-thinking": "<think>Let me see",
            "long": "One sentence. " * 500,
            "length": "There are 12 albums. The first of them is cal",
        }
        finish = "length" if mode == "length" else "stop"
        choice = {"message": {"role": "assistant", "content": texts[mode]}, "finish_reason": finish}
        return json.dumps({"choices": [choice]}).encode()

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self, mode: str) -> None:
        """One byte at a time, for a minute: headers, or the body behind quick headers."""
        line = b"HTTP/1.1 200 OK\r\n" + b"X-Wait: " + b"y" * 600
        if mode == "slow-body":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n")
            line = b" " * 600
        if mode == "slow-silence":
            time.sleep(60)
        for byte in line:
            self.wfile.write(bytes([byte]))
            time.sleep(0.1)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
