"""A bank's programs in Python, for the tests: the application in which customers log in and decide, and the core.

The standard library, and the package requests. `bank_app.py app` serves the application until its input ends, and
`bank_app.py core` carries out one command; both read their settings, as JSON, from the first line of the input.
"""

import html
import http.server
import json
import secrets
import ssl
import sys
import threading
import urllib.parse

import requests


class BankApi:
    """The bank API, over mutual TLS."""

    def __init__(self, settings):
        self.url = settings["apiUrl"]
        self.session = requests.Session()
        # Neither a proxy nor CAs of the environment: they would come before those of the settings.
        self.session.trust_env = False
        self.session.verify = settings["caFile"]
        self.session.cert = (settings["certificateFile"], settings["keyFile"])

    def call(self, method, path, body=None, key=None):
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.session.request(method, self.url + path, json=body, headers=headers, timeout=30)
        return answer.status_code, answer.json()


class Visits:
    """The browsers that are in the application, each with the interaction that its handle has opened."""

    def __init__(self):
        self.lock = threading.Lock()
        self.visits = {}

    def add(self, visit):
        name = secrets.token_urlsafe(32)
        with self.lock:
            self.visits[name] = visit
        return name

    def find(self, name):
        with self.lock:
            return self.visits.get(name)


def words(view):
    """The request in plain words, as the bank API has them."""
    lines = ["<h1>%s</h1>" % html.escape(view["question"])]
    for part in view["parts"]:
        lines.append("<h2>%s</h2><p>%s</p>" % (html.escape(part["title"]), html.escape(part.get("text", ""))))
        payment = part.get("payment")
        if payment is not None:
            amount = html.escape(payment.get("amount", ""))
            lines.append("<p class=payment>%s %s %s</p>" % (amount, html.escape(payment["payee"]), html.escape(payment["payeeAccount"])))
        for fact in part["facts"]:
            lines.append("<p>%s: %s</p>" % (html.escape(fact["label"]), html.escape(fact["value"])))
        for cluster in part["clusters"]:
            lines.append("<p>%s: %s</p>" % (html.escape(cluster["title"]), html.escape(cluster["text"])))
    return "".join(lines)


class Application(http.server.BaseHTTPRequestHandler):
    """Log in, look, decide. The customer's browser sees no id of the bank API."""

    protocol_version = "HTTP/1.1"
    api = None
    visits = None
    customers = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        address = urllib.parse.urlparse(self.path)
        query = urllib.parse.parse_qs(address.query)
        if address.path != "/login" or "interaction" not in query:
            return self.page(404, "There is nothing here.")
        status, found = self.api.call("POST", "/v1/interactions", {"handle": query["interaction"][0]})
        if status != 200:
            return self.page(400, html.escape(found["code"]))
        name = self.visits.add({"found": found, "csrf": secrets.token_urlsafe(16)})
        # A new name for the visit: the handle in the address is good for nothing any more.
        self.show_login(name, cookie=True)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        form = urllib.parse.parse_qs(self.rfile.read(min(length, 65536)).decode(), keep_blank_values=True)
        name = self.cookie()
        visit = self.visits.find(name)
        if visit is None or not secrets.compare_digest(form.get("csrf", [""])[0], visit["csrf"]):
            return self.page(400, "This page has ended.")
        if self.path == "/login":
            return self.log_in(name, visit, form)
        if self.path == "/decision":
            return self.decide(visit, form)
        return self.page(404, "There is nothing here.")

    def log_in(self, name, visit, form):
        username = form.get("username", [""])[0]
        interaction = "/v1/interactions/" + visit["found"]["interactionId"]
        status, attempt = self.api.call("POST", interaction + "/attempts", {"customerName": username or "-"})
        if status != 200:
            return self.page(403, html.escape(attempt["code"]))
        customer = self.customers.get(username)
        is_right = customer is not None and secrets.compare_digest(customer["password"], form.get("password", [""])[0])
        is_right = is_right and secrets.compare_digest(customer["code"], form.get("code", [""])[0])
        if not is_right:
            return self.show_login(name, problem="That was not right.")
        login = {"psuId": customer["psuId"], "amr": ["pwd", "swk"], "linkHash": visit["found"]["linkHash"]}
        status, found = self.api.call("POST", interaction + "/authentication", login)
        if status != 200:
            return self.page(403, html.escape(found["code"]))
        visit["found"] = found
        return self.show_consent(visit, customer)

    def decide(self, visit, form):
        decision = {"decision": "reject"}
        if form.get("action") == ["approve"]:
            decision = {"decision": "approve", "accountIds": form.get("account", []), "linkHash": visit["found"]["linkHash"]}
        path = "/v1/interactions/%s/decision" % visit["found"]["interactionId"]
        status, answer = self.api.call("POST", path, decision)
        if status != 200:
            return self.page(403, html.escape(answer["code"]))
        self.send_response(303)
        self.send_header("Location", answer["returnUrl"])
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def show_login(self, name, problem="", cookie=False):
        visit = self.visits.find(name)
        form = (
            '<form method=post action=/login><input type=hidden name="csrf" value="%s">'
            '<label>Customer name <input name=username></label><label>Password <input name="password" type=password></label>'
            '<label>Code of the app <input name=code></label><button>Log in</button></form>'
        ) % visit["csrf"]
        headers = {"Set-Cookie": "visit=%s; Path=/; Secure; HttpOnly; SameSite=Lax" % name} if cookie else {}
        self.page(200, self.heading(visit) + "<p>%s</p>" % html.escape(problem) + form, headers)

    def show_consent(self, visit, customer):
        accounts = customer["accounts"] if visit["found"]["needsAccounts"] != "none" else []
        boxes = "".join(
            '<label><input type=checkbox name="account" value="%s">%s</label>' % (html.escape(one["accountId"]), html.escape(one["name"]))
            for one in accounts
        )
        form = (
            '<form method=post action=/decision><input type=hidden name="csrf" value="%s">%s'
            '<button name=action value=approve>Allow</button><button name=action value=reject>Cancel</button></form>'
        ) % (visit["csrf"], boxes)
        self.page(200, self.heading(visit) + form)

    def heading(self, visit):
        tpp = visit["found"]["tpp"]
        return "<p>%s (%s)</p>%s" % (html.escape(tpp["service"]), html.escape(tpp["legalName"]), words(visit["found"]["view"]))

    def cookie(self):
        for part in self.headers.get("Cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == "visit":
                return value
        return ""

    def page(self, status, body, headers=None):
        content = ("<!doctype html><html lang=en><title>Bank</title>%s" % body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def serve(settings):
    Application.api = BankApi(settings)
    Application.visits = Visits()
    Application.customers = settings["customers"]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", settings["port"]), Application)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["serverCertificateFile"], settings["serverKeyFile"])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    # Until the test closes the input, or is gone.
    sys.stdin.read()


def core(settings):
    """Makes a consent twice with one key, changes it, reads its events to the end, ends it, and prints what it found."""
    api = BankApi(settings)
    wish = {key: settings[key] for key in ("reference", "clientId", "details", "expiresAt")}
    _, after = api.call("GET", "/v1/events?limit=500")
    cursor = after["next"]
    created, consent = api.call("POST", "/v1/consents", wish, key="python-1")
    again, repeated = api.call("POST", "/v1/consents", wish, key="python-1")
    path = "/v1/consents/" + consent["consentId"]
    changed, other = api.call("PATCH", path, {"details": settings["otherDetails"], "reason": "another amount"})
    revoked, ended = api.call("POST", path + "/revoke", {"reason": "the bank ends it"})
    events = []
    while not any(event["to"] == "revoked" for event in events):
        _, page = api.call("GET", "/v1/events?after=%d&waitSeconds=10" % cursor)
        cursor = page["next"]
        events += [event for event in page["events"] if event["consentId"] == consent["consentId"]]
    print(json.dumps({
        "statuses": [created, again, changed, revoked],
        "isSame": repeated["consentId"] == consent["consentId"],
        "hasChanged": other["contentHash"] != consent["contentHash"],
        "status": ended["status"],
        "events": [[event.get("from"), event["to"], event["by"]] for event in events],
    }))


if __name__ == "__main__":
    {"app": serve, "core": core}[sys.argv[1]](json.loads(sys.stdin.readline()))
