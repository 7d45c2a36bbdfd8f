"""From a plan and what its stages left to scores, intervals, verdicts and a report."""
