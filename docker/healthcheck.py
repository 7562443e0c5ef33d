"""Exit with 0 when the role in this container answers: `healthcheck.py URL`. Sends a host name that Django serves."""

import os
import sys
import urllib.request


def main() -> None:
    host = os.environ["ALLOWED_HOSTS"].split(",")[0]
    request = urllib.request.Request(sys.argv[1], headers={"Host": host})  # noqa: S310 (our own address)
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
        sys.exit(0 if response.status == 200 else 1)


if __name__ == "__main__":
    main()
