"""What is said once for a file about how its lines end."""

from service.datasets.validation.findings import Finding


def carriage_returns(number: int) -> Finding:
    """`number` is that of the first line that ends in CR LF."""
    return Finding("info", "carriage_returns", number, None, f"Line {number} ends in CR LF, as on Windows.",
                   "Nothing is lost; but bytes are counted and compared with it.")


def no_final_newline(number: int) -> Finding:
    """`number` is that of the last line."""
    return Finding("info", "no_final_newline", number, None, f"Line {number}, the last one, has no newline.",
                   "Was the file cut off? If its last example is whole, nothing is lost.")
