"""From a campaign's folder and its findings to what ``reports`` shows."""
