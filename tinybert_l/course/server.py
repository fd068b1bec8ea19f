"""JupyterLab with the course's Validate: `python -m tinybert_l.course.server [OPTIONS]`."""

import sys


def main() -> None:
    """Start JupyterLab in this process, with the options of the command line.

    Ctrl+C while it starts ends it without a traceback.
    """
    try:
        from jupyterlab.labapp import LabApp

        from tinybert_l.course.validating import install

        install()
        sys.exit(LabApp.launch_instance())
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
