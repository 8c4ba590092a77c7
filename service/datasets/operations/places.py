"""Where in the object store the results of an analysis lie."""


def analysis_prefix(project_id: str, file_id: str) -> str:
    """Everything that was made from a file by reading it; goes when the file goes."""
    return f"projects/{project_id}/analysis/{file_id}/"


def columns_key(project_id: str, file_id: str) -> str:
    """The columns of a file: one row of numbers for each example (service/datasets/analysis/columns.py)."""
    return f"{analysis_prefix(project_id, file_id)}columns.npz"


def segments_prefix(project_id: str, file_id: str) -> str:
    return f"{analysis_prefix(project_id, file_id)}segments/"


def segment_key(project_id: str, file_id: str, number: int) -> str:
    return f"{segments_prefix(project_id, file_id)}{number}"
