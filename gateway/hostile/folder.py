"""The data folder: its permissions, its contents, and files planted by another user."""

import os
import shutil
import stat

from server import Server

TOKEN = "tok_approve"
# engine::payment::SEALED_TOKEN_PREFIX
SEALED = b"sealed1."
ADDRESS = {"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL", "postal_code": "62701"}
NOBODY = 65_534


def folder(judge):
    """Only its owner can read the data folder, it has no payment methods in plain text, and planted files are refused."""
    with Server(sandbox=True, umask=0) as server:
        client, drop = server.client(), server.drop(10)
        guest = client.guest()["token"]
        claim = client.has(201, "POST", f"/v1/drops/{drop}/claims", guest, {"quantity": 1})["id"]
        checkout = {"claims": [claim], "payment": {"provider": "sandbox", "token": TOKEN}, "email": "ann@shop.example"}
        done = client.has(
            201, "POST", "/v1/checkouts", guest, checkout | {"shipping_address": ADDRESS | {"country": "US"}}
        )
        judge("a checkout is paid", done["state"] in ("pending", "completed"), done["state"])
        open_to_others = modes(server.data)
        judge("folders are 0700 and files 0600 with any umask", not open_to_others, open_to_others)
        server.stop()
        open_to_others = modes(server.data)
        judge("also after it has stopped", not open_to_others, open_to_others)
        # The sandbox's ledger belongs to the payment provider, which knows its tokens.
        paths = [path for path in server.data.rglob("*") if path.is_file() and path.name != "sandbox.jsonl"]
        content = {path: path.read_bytes() for path in paths}
        names = [str(path.relative_to(server.data)) for path, text in content.items() if TOKEN.encode() in text]
        judge("no file has the payment method in plain text", not names, names)
        journal = b"".join(text for path, text in content.items() if "journal" in path.parts)
        judge("the journal has it encrypted", SEALED in journal)

        def refuses(what, message):
            server.start()
            judge(
                f"refuses to start with {what}",
                server.port is None and message in server.log()[-600:],
                server.log()[-600:],
            )
            server.stop()

        keys, elsewhere = server.data / "keys", server.folder / "elsewhere"
        secret = keys / "secret"
        secret.chmod(0o644)
        refuses("a key that other users can read", "accessible to other users")
        secret.chmod(0o600)
        keys.chmod(0o777)
        refuses("keys that other users could have created", "is writable by other users")
        keys.chmod(0o700)
        shutil.move(secret, elsewhere)
        secret.symlink_to(elsewhere)
        refuses("a key that is a link", "symbolic link")
        secret.unlink()
        shutil.move(elsewhere, secret)
        if os.geteuid() == 0:
            os.chown(secret, NOBODY, NOBODY)
            refuses("a key of another user", "belongs to user")
            os.chown(secret, 0, 0)
        else:
            judge.note(not_root="a key of another user was not tried")
        lock = server.data / "LOCK"
        lock.unlink()
        elsewhere.write_text("precious")
        lock.symlink_to(elsewhere)
        refuses("a LOCK that is a link", "symbolic link")
        for command in [("tenants", "list"), ("rebuild",), ("migrate",)]:
            done = server.command(*command)
            refused = done.returncode != 0 and "symbolic link" in done.stderr
            judge(f"fusion {' '.join(command)} refuses as well", refused, done.stderr)
        judge("the target of the link is unchanged", elsewhere.read_text() == "precious")
        lock.unlink()
        server.start()
        judge("starts again after all of it is removed", server.port is not None, server.log()[-600:])


def modes(data):
    """Returns the files that other users could read or write, with their modes."""
    found = []
    for path in [data, *data.rglob("*")]:
        try:
            mode = stat.S_IMODE(path.lstat().st_mode)
        except FileNotFoundError:
            # The server has removed it.
            continue
        if mode != (0o700 if path.is_dir() else 0o600):
            found.append((path.name, oct(mode)))
    return found
