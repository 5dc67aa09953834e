"""A meter that is not there: telegrams that live, and lines that fail."""
