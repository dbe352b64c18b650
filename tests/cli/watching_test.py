#!/usr/bin/env python3
"""Shows what watches a volume, over a real server: `status` keeps its plain lines where a program reads
them and has bars on a terminal, `events` goes on through a killed server, pictures are whole files or
none, metrics tell a volume that is down, and the page lets in whom it should and nobody else, whatever
is asked for. Where promtool is installed it checks the metrics and the alerts."""

import base64
import http.client
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import unittest
import xml.etree.ElementTree

from harness import DDSNAP, PATIENCE_S, SOURCE, CliTest, ServerTest, wait_until

TOKEN = "0123456789abcdef" * 4
PROMETHEUS = SOURCE / "scripts" / "prometheus"


def promtool(*words, **more):
    return subprocess.run(["promtool", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=PATIENCE_S, check=False, **more)


class WatchedVolume(ServerTest):
    """Two snapshots with a change between them."""

    def setUp(self):
        super().setUp()
        self.succeed("create-cl", "--compare", "cl", "origin.img", "new.img")
        self.succeed("create-delta", "cl", "delta", "origin.img", "new.img")
        self.succeed("create", "server", "0")
        self.succeed("apply-delta", "delta", "ddsnap:server")
        self.succeed("create", "server", "1")

    def begin(self, *words, **more):
        process = subprocess.Popen([DDSNAP, *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process


class Status(WatchedVolume):
    def on_terminal(self, *words, **environment):
        """What ddsnap writes to a terminal of its own."""
        reader, writer = pty.openpty()
        clean = {name: value for name, value in os.environ.items()
                 if name not in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG")}
        with subprocess.Popen([DDSNAP, *words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=writer,
                              env={**clean, "TERM": "xterm", **environment}) as process:
            os.close(writer)
            text = b""
            try:
                while part := os.read(reader, 65536):
                    text += part
            except OSError:
                pass  # the other end is closed
            os.close(reader)
            self.assertEqual(process.wait(PATIENCE_S), 0)
        return text.decode()

    def test_programs_read_the_lines_they_always_read(self):
        piped = self.succeed("status", "server").decode()
        self.assertTrue(piped.startswith("Snapshot store chunk size = 16,384; "), piped)
        self.assertEqual(self.succeed("status", "--plain", "server").decode(), piped)
        self.assertEqual(json.loads(self.succeed("status", "--json", "server"))["state"], "works")

    def test_a_terminal_has_bars_and_colours(self):
        text = self.on_terminal("status", "server", LANG="C.UTF-8")
        self.assertIn("\x1b[32mworks\x1b[0m", text)
        self.assertIn("█", text)
        self.assertRegex(text, r"\b0 +\d+ s ago +kept")
        self.assertTrue(self.on_terminal("status", "--plain", "server").startswith("Snapshot store"))

    def test_no_color_and_plain_locales_are_honoured(self):
        self.assertNotIn("\x1b", self.on_terminal("status", "server", NO_COLOR="1"))
        self.assertNotIn("\x1b", self.on_terminal("status", "server", TERM="dumb"))
        text = self.on_terminal("status", "server", LANG="C")
        self.assertTrue(text.replace("\x1b", "").isascii(), text)

    def test_bars_for_one_snapshot_through_a_pipe(self):
        text = self.succeed("status", "--bars", "server", "1").decode()
        self.assertNotIn("\x1b", text)
        self.assertRegex(text, r"\n  1 +\d+ s ago +kept")
        self.assertNotRegex(text, r"\n  0 +\d+ s ago +kept")
        self.check_error(self.run_ddsnap("status", "--bars", "server", "none"), 4)

    def test_watch_goes_on_until_it_is_interrupted(self):
        watch = self.begin("status", "--watch", "--every", "1", "server")
        for _ in range(2):
            while not watch.stdout.readline().startswith("server  works"):
                self.assertIsNone(watch.poll())
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.wait(PATIENCE_S), 130)


class Events(WatchedVolume):
    def read_until(self, process, words):
        while words not in (line := process.stdout.readline()):
            self.assertNotEqual(line, "", "it has ended")
        return line

    def test_what_happened_lately(self):
        text = self.succeed("events", "--once", "server").decode()
        self.assertRegex(text, r"(?m)^20\d\d-\S+Z  info +snapshot 0 is there$")
        last = [json.loads(line) for line in self.succeed("events", "--once", "--json", "server").splitlines()][-1]
        self.assertEqual((last["level"], last["text"]), ("info", "snapshot 1 is there"))

    def test_following_goes_on_through_a_killed_server(self):
        events = self.begin("events", "server")
        self.read_until(events, "snapshot 1 is there")
        self.succeed("delete", "server", "1")
        self.read_until(events, "snapshot 1 was deleted")
        self.stop_server(signal.SIGKILL)
        self.start_server()
        self.succeed("create", "server", "2")
        self.assertRegex(self.read_until(events, "snapshot 2 is there"), "^20")
        events.send_signal(signal.SIGTERM)
        self.assertEqual(events.wait(PATIENCE_S), 130)


class Pictures(WatchedVolume):
    def boxes(self, svg):
        tree = xml.etree.ElementTree.fromstring(svg)
        return [title.text for title in tree.iter("{http://www.w3.org/2000/svg}title")]

    def test_the_heat_map_shows_what_changed_between_which_snapshots(self):
        told = self.boxes(self.succeed("heatmap", "-o", "-", "server"))
        self.assertTrue(told and all(one.startswith("0 .. 1, from ") for one in told), told)
        self.succeed("heatmap", "-o", "map.svg", "server", "0", "1")
        self.assertEqual(self.boxes((self.folder / "map.svg").read_text()), told)
        self.succeed("heatmap", "-o", "map.png", "--columns", "16", "server")
        self.assertTrue((self.folder / "map.png").read_bytes().startswith(b"\x89PNG\r\n"))

    def test_wrong_words(self):
        self.check_error(self.run_ddsnap("heatmap", "-o", "a.svg", "server", "none"), 4, "no snapshot none")
        self.check_error(self.run_ddsnap("heatmap", "-o", "a.svg", "server", "1", "0"), 2, "not older")
        self.check_error(self.run_ddsnap("heatmap", "-o", "a.jpg", "server"), 2, ".svg")
        self.check_error(self.run_ddsnap("heatmap", "server"), 2)
        self.check_error(self.run_ddsnap("graph", "-o", "a.svg", "time", "server"), 2, "'space' can")
        self.check_error(self.run_ddsnap("heatmap", "-o", "no/such/folder.svg", "server"), 4)
        self.assertFalse(list(self.folder.glob("a.*")))

    def test_the_space_chart(self):
        told = self.boxes(self.succeed("graph", "-o", "-", "space", "server"))
        self.assertTrue(any("own, 0 B shared" in one for one in told), told)
        self.succeed("graph", "-o", "space.png", "space", "server")


class Metrics(WatchedVolume):
    def test_they_are_what_promtool_takes(self):
        text = self.succeed("metrics", "server")
        self.assertIn(b'ddsnap_up{volume="server"} 1\n', text)
        self.assertIn(b'ddsnap_snapshots{volume="server",state="kept"} 2\n', text)
        if shutil.which("promtool"):
            checked = promtool("check", "metrics", input=text)
            self.assertEqual(checked.returncode, 0, checked.stdout.decode())

    def test_a_file_is_replaced_and_a_configured_volume_that_is_down_is_told(self):
        configs = self.folder / "configs"
        configs.mkdir()
        (configs / "vol0.conf").write_text(f"[volume]\nserver = {self.path('server')}\nstate = {self.path('jobs')}\n")
        self.succeed("metrics", "--config", "configs", "-o", "ddsnap.prom")
        self.assertIn('ddsnap_up{volume="vol0"} 1\n', (self.folder / "ddsnap.prom").read_text())
        self.stop_server(signal.SIGTERM)
        self.succeed("metrics", "--config", "configs", "-o", "ddsnap.prom")
        self.assertIn('ddsnap_up{volume="vol0"} 0\n', (self.folder / "ddsnap.prom").read_text())
        self.check_error(self.run_ddsnap("metrics", "--config", "configs", "server"), (1, 4))
        self.check_error(self.run_ddsnap("metrics", "--config", "nowhere"), 2, "no SERVER")


def panels():
    """[(question, legend)] of the dashboard."""
    dashboard = json.loads((PROMETHEUS / "ddsnap-dashboard.json").read_text())
    return [(target["expr"], target["legendFormat"]) for panel in dashboard["panels"] for target in panel["targets"]]


class Questions(WatchedVolume):
    """What rules and dashboard ask for, beside what a volume with a copy exports."""

    def setUp(self):
        super().setUp()
        (self.folder / "configs").mkdir()
        (self.folder / "configs" / "vol0.conf").write_text(
            f"[volume]\nserver = {self.path('server')}\nstate = {self.path('jobs')}\n[target office]\nremote = {self.path('inbox')}\n")
        self.exported = {}  # metric: {label: values}
        for name, labels in re.findall(r"(?m)^(ddsnap_\w+)\{(.*)\} ", self.succeed("metrics", "--config", "configs").decode()):
            for label, value in re.findall(r'(\w+)="([^"]*)"', labels):
                self.exported.setdefault(name, {}).setdefault(label, set()).add(value)

    def check_asked(self, question):
        for name, selector in re.findall(r"\b(ddsnap_\w+)(?:\{([^}]*)\})?", question):
            self.assertIn(name, self.exported, question)
            for label, how, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', selector):
                self.assertIn(label, self.exported[name], question)
                if how == "=":
                    self.assertIn(value, self.exported[name][label], question)

    def test_the_dashboard_asks_for_what_is_exported(self):
        asked = panels()
        self.assertGreater(len(asked), 10)
        for question, legend in asked:
            self.check_asked(question)
            name = re.search(r"ddsnap_\w+", question)[0]
            for label in re.findall(r"\{\{(\w+)\}\}", legend):
                self.assertIn(label, self.exported[name], (question, legend))

    def test_the_rules_ask_for_what_is_exported(self):
        asked = re.findall(r"(?m)^ +expr: (?:>-\n +)?(.*)$", (PROMETHEUS / "ddsnap.rules.yml").read_text())
        self.assertGreater(len(asked), 5)
        for question in asked:
            self.check_asked(question)


class Alerts(CliTest):
    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (package prometheus)")
    def test_the_rules_fire_when_they_should(self):
        for words in (["check", "rules", "ddsnap.rules.yml"], ["test", "rules", "ddsnap.rules.test.yml"]):
            ran = promtool(*words, cwd=PROMETHEUS)
            self.assertEqual(ran.returncode, 0, ran.stdout.decode())

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (package prometheus)")
    def test_what_the_dashboard_asks_is_understood(self):
        rules = [{"record": f"asked:{number}", "expr": question.replace("$volume", ".*")}
                 for number, (question, _) in enumerate(panels())]
        self.write("asked.yml", json.dumps({"groups": [{"name": "asked", "rules": rules}]}).encode())
        ran = promtool("check", "rules", self.path("asked.yml"))
        self.assertEqual(ran.returncode, 0, ran.stdout.decode())


class Web(WatchedVolume):
    def serve(self, *words, host="127.0.0.1", servers=("server",)):
        self.web = self.begin("web", "--listen", f"{host}:0", "--history", self.path("history"), "--every", "1",
                              *words, *servers)
        line = self.web.stdout.readline()
        match = re.match(r"http://(.*):(\d+)/\n", line)
        self.assertTrue(match, (line, self.web.poll()))
        self.port = int(match[2])

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        connection.putrequest(method, path, skip_host="Host" in headers)
        if body is not None:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def volume(self, **headers):
        """When it was looked at."""
        found = []

        def is_there():
            found[:] = json.loads(self.ask("GET", "/api/volumes", **headers)[2])["volumes"]
            return "unreachable" not in found[0]
        wait_until(is_there)
        return found[0]

    def test_the_page_and_what_it_reads(self):
        self.serve()
        volume = self.volume()
        self.assertEqual([one["tag"] for one in volume["snapshots"]], ["0", "1"])
        self.assertEqual(len(volume["changes"]["rows"]), 2)
        self.assertGreater(sum(volume["changes"]["rows"][0]["cells"]), 0)
        self.assertEqual(len(volume["history"]), 1)
        wait_until(lambda: (self.folder / "history" / "server.history.json").exists())
        for path in ("/", "/page.js", "/style.css", "/api/volumes", "/metrics"):
            status, headers, body = self.ask("GET", path)
            self.assertEqual(status, 200, path)
            self.assertTrue(body)
            self.assertTrue(headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'"))
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(self.ask("HEAD", "/")[::2], (200, b""))
        self.assertIn(b"# EOF\n", self.ask("GET", "/metrics", Accept="application/openmetrics-text")[2])
        self.web.send_signal(signal.SIGTERM)
        self.assertEqual(self.web.wait(PATIENCE_S), 0)

    def shown(self):
        return [one["name"] for one in json.loads(self.ask("GET", "/api/volumes")[2])["volumes"]]

    def test_configured_volumes_come_and_go(self):
        configs = self.folder / "configs"
        configs.mkdir()
        self.serve("--config", "configs", servers=())
        self.assertEqual(self.shown(), [])
        self.assertEqual(self.ask("GET", "/metrics")[0], 200)
        right = f"[volume]\nserver = {self.path('server')}\nstate = {self.path('jobs')}\n"
        (configs / "vol1.conf").write_text(right)
        (configs / "vol0.conf").write_text(right)
        wait_until(lambda: self.shown() == ["vol0", "vol1"])
        self.assertEqual([one["tag"] for one in self.volume()["snapshots"]], ["0", "1"])
        # Wrong for a while is not gone.
        (configs / "vol0.conf").write_text("no configuration\n")
        (configs / "vol2.conf").write_text(right)
        wait_until(lambda: self.shown() == ["vol0", "vol1", "vol2"])
        (configs / "vol1.conf").unlink()
        self.web.send_signal(signal.SIGHUP)
        wait_until(lambda: self.shown() == ["vol0", "vol2"])
        # Told once, however often it was looked at.
        self.web.send_signal(signal.SIGTERM)
        self.assertEqual(self.web.wait(PATIENCE_S), 0)
        self.assertEqual(self.web.stderr.read().count("vol0.conf"), 1)

    def test_nothing_else_is_there(self):
        self.serve()
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            self.assertEqual(self.ask(method, "/", b"x")[0], 405, method)
            self.assertEqual(self.ask(method, "/login", b"token=x")[0], 405, method)
        for path in ("/login", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%00", "/api/volumes/..", "//", "/index.html",
                     "/page.js/", "/%ff%fe", "/?a=<script>", "/" + "x" * 3000, "/" + "%41" * 20000):
            status, headers, body = self.ask("GET", path)
            self.assertIn(status, (200,) if path.startswith("/?") else (400, 404, 414), path)
            self.assertNotIn(b"root:", body)
            self.assertNotIn(b"<script>", body)
            del headers
        for host in ("evil.example", "localhost.evil.example:80"):
            self.assertEqual(self.ask("GET", "/api/volumes", Host=host)[0], 421, host)
        self.assertEqual(self.ask("POST", "/", b"x" * 100_000)[0] // 100, 4)
        self.assertEqual(self.ask("GET", "/api/volumes")[0], 200)

    def test_a_token_lets_in_who_has_it(self):
        self.write("token", TOKEN.encode() + b"\n")
        self.serve("--token", "token", host="0.0.0.0")
        self.assertEqual(self.ask("GET", "/api/volumes")[0], 401)
        self.assertEqual(self.ask("GET", "/metrics", Authorization="Bearer " + TOKEN[:-1])[0], 401)
        self.assertEqual(self.ask("GET", "/page.js", Authorization="Basic " + base64.b64encode(TOKEN.encode()).decode())[0], 401)
        status, headers, _ = self.ask("GET", "/")
        self.assertEqual((status, headers["Location"]), (303, "/login"))
        self.assertEqual(self.ask("GET", "/login")[0], 200)
        self.assertTrue(self.volume(Authorization="Bearer " + TOKEN))
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        self.assertEqual(self.ask("POST", "/login", b"token=wrong", **form)[0], 403)
        status, headers, _ = self.ask("POST", "/login", b"token=" + TOKEN.encode(), **form)
        self.assertEqual(status, 303)
        cookie = headers["Set-Cookie"]
        self.assertIn("HttpOnly; SameSite=Strict", cookie)
        self.assertNotIn(TOKEN, cookie)
        self.assertEqual(self.ask("GET", "/", Cookie=cookie.split(";")[0])[0], 200)
        self.assertEqual(self.ask("GET", "/", Cookie=cookie.split(";")[0] + "0")[0], 303)

    def test_a_stop_that_comes_at_once_is_not_lost(self):
        for _ in range(3):
            self.serve()
            self.web.send_signal(signal.SIGTERM)
            self.assertEqual(self.web.wait(PATIENCE_S), 0)

    def test_what_it_refuses_to_serve(self):
        self.check_error(self.run_ddsnap("web", "--listen", ":0", "server"), 2, "--token")
        self.write("token", b"short\n")
        self.check_error(self.run_ddsnap("web", "--token", "token", "server"), 2, "at least 32")
        self.check_error(self.run_ddsnap("web", "--listen", "a:b", "server"), 2, "no address")
        self.check_error(self.run_ddsnap("web", "--config", "nowhere"), 2, "no SERVER")
        self.serve()
        self.check_error(self.run_ddsnap("web", "--listen", f"127.0.0.1:{self.port}", "server"), 5, "listens there already")

    def test_a_server_that_dies_is_shown_as_one(self):
        self.serve()
        self.volume()
        self.stop_server(signal.SIGKILL)
        wait_until(lambda: "unreachable" in json.loads(self.ask("GET", "/api/volumes")[2])["volumes"][0])
        self.assertIn(b'ddsnap_up{volume="server"} 0\n', self.ask("GET", "/metrics")[2])
        self.start_server()
        self.volume()


if __name__ == "__main__":
    unittest.main()
