"""A store for the gateway's tests: a process that speaks docs/wire.md over HTTP, fast, with faults to be had.

`python http_store.py PORT JOURNAL`: appends each delivery's new items to the file JOURNAL (one JSON object a line) before it
answers. It is told how to behave by `POST /mode`, a JSON object that may hold `status` (answered to deliveries),
`stall_s` (waited before the answer, after the commit), `break_s` (before it), `refuse` (items whose line holds this
text make a delivery a 400), `drop` (true: commit, then close without an answer), `down` (lines to say back). Its token
is "token".
"""

import asyncio
import json
import sys
import time

ANSWERS = {200: "OK", 400: "Bad", 401: "No", 404: "None", 413: "Large", 500: "Broke", 503: "Away"}


class HttpStore:
    def __init__(self, journal):
        self.journal = open(journal, "a", buffering=1)  # noqa: SIM115  open as long as the process
        self.held = {}
        self.order = []
        self.received = 0
        self.requests = 0
        self.mode = {}
        self.rosters = []

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *rest = head.decode("latin-1").split("\r\n")
                method, path, _ = first.split(" ")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in rest if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, answer = await self.answer(method, path, headers, body)
                if status == 0:
                    return
                text = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status} {ANSWERS.get(status, '-')}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(text)}\r\n\r\n".encode()
                    + text
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, method, path, headers, body):
        if path == "/mode":
            self.mode = json.loads(body)
            return 200, {}
        if path == "/rosters":
            self.rosters.append(json.loads(body))
            return 200, {}
        if path == "/stats":
            return 200, {"held": len(self.held), "received": self.received, "requests": self.requests}
        if headers.get("authorization") != "Bearer token":
            return 401, {"error": {"code": "token", "text": "who are you"}}
        mode = self.mode
        if path.startswith("/api/gateway/v1/rosters"):
            after = int(path.partition("after=")[2] or 0)
            return 200, {"cursor": str(len(self.rosters)), "rosters": self.rosters[after:]}
        if path != "/api/gateway/v1/deliveries":
            return 404, {"error": {"code": "path", "text": "no such page"}}
        self.requests += 1
        await asyncio.sleep(mode.get("break_s", 0))
        if mode.get("status"):
            return mode["status"], {"error": {"code": "mode", "text": "told to"}}
        items = json.loads(body)["items"]
        if not 1 <= len(items) <= 500:
            return 413, {"error": {"code": "items", "text": "1 to 500"}}
        if "refuse" in mode and any(mode["refuse"] in i.get("line", "") for i in items):
            return 400, {"error": {"code": "item", "text": "an item is bad"}}
        self.received += len(items)
        new = [{**i, "stored_ms": time.time_ns() // 1_000_000} for i in items if i["id"] not in self.held]
        self.held.update((i["id"], i) for i in new)
        if new:
            self.journal.write("".join(json.dumps(i) + "\n" for i in new))
        if mode.get("drop"):
            return 0, None
        await asyncio.sleep(mode.get("stall_s", 0))
        return 200, {"done": [i["id"] for i in items], "down": mode.get("down", []), "replay": mode.get("replay", [])}


async def main(port, journal):
    store = HttpStore(journal)
    server = await asyncio.start_server(store.serve, "127.0.0.1", int(port), limit=16 * 1024 * 1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
