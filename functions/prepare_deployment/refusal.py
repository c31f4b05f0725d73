"""The one error with which this function says no."""


class InvalidDeployment(Exception):  # noqa: N818 - Step Functions shows the name as the state's error
    """The deployment is refused; the message has one line for each problem."""
