"""`python make_secrets.py FOLDER`: makes the secrets of compose.live.yaml, but for the account's key, which it is told.

The key is read from OPENAI_API_KEY, or asked for. Only who runs this may enter the folder; the files can be read in their
containers, whose users are others. A folder that is there is left as it is.
"""

import getpass
import json
import os
import sys
from pathlib import Path
from secrets import token_hex  # noqa: TID251 - a program by itself, and passwords are nothing but chance


def texts(account_key: str) -> dict[str, str]:
    """What is in each file: passwords of 32 random bytes, each for one place."""
    redis, access, storage, callers, grafana = (token_hex(32) for _ in range(5))
    identity = {"name": "darkroom", "credentials": [{"accessKey": access, "secretKey": storage}]}
    allowed = {"actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    return {
        "DARKROOM_REDIS__URL": f"redis://:{redis}@redis:6379/0",
        "DARKROOM_LANES__MAIN__API_KEY": account_key,
        "DARKROOM_SERVICE__BOOTSTRAP_KEY": f"dk_{callers}",
        "aws_credentials": f"[default]\naws_access_key_id = {access}\naws_secret_access_key = {storage}",
        "redis.conf": f"requirepass {redis}",
        "storage.json": json.dumps({"identities": [identity | allowed]}),
        "grafana_password": grafana,
    }


def key_of_the_account() -> str:
    """From the environment or the terminal; empty where there is neither."""
    told = os.environ.get("OPENAI_API_KEY", "")  # noqa: TID251 - a program by itself: core.settings is not there
    return (told or (getpass.getpass("The account's key: ") if sys.stdin.isatty() else "")).strip()


def main(folder: Path) -> None:
    account_key = key_of_the_account()
    if not account_key:
        sys.exit(
            "The account's key is missing: set OPENAI_API_KEY, or run this in a terminal, where it is asked for."
        )
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        sys.exit(f"{folder} cannot be made ({error.strerror}); nothing was written.")
    for name, text in texts(account_key).items():
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
        (folder / name).chmod(0o444)
    sys.stderr.write(f"{folder}: made. What callers send is in DARKROOM_SERVICE__BOOTSTRAP_KEY there.\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
