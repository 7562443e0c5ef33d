"""Write the starter project and who may enter it: `python -m config.commands.seed FILE`, run by `attune demo`."""

import json
import os
import sys
from pathlib import Path

from config.local.folders import write_secret


def seed(target: Path) -> None:
    """Seed the database that the settings name and write the logins and the token to `target`, readable by us only."""
    import django

    django.setup()
    from annotator.services.demo import seed_demo  # importable only after setup

    access = seed_demo()
    granted = {
        "url": f"http://127.0.0.1:{os.environ['PORT']}",
        "annotator": {"email": access.annotator_email, "password": access.annotator_password},
        "owner": {"email": access.owner_email, "password": access.owner_password},
        "token": access.token,
    }
    write_secret(target, json.dumps(granted, indent=2) + "\n")


if __name__ == "__main__":
    seed(Path(sys.argv[1]))
