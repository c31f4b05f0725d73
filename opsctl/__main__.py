"""`python -m opsctl`, and what the `opsctl` program runs."""

from opsctl.cli.root import root


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    root()


if __name__ == "__main__":
    main()
