"""JupyterLab with the course's Validate: `python -m tinybert_l.course.server [OPTIONS]`."""

import sys

from tinybert_l.course.validating import install


def main() -> None:
    """Start JupyterLab in this process, with the options of the command line."""
    from jupyterlab.labapp import LabApp

    install()
    sys.exit(LabApp.launch_instance())


if __name__ == "__main__":
    main()
