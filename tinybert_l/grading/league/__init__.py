"""The league: capstone entries judged in the sandbox on held-out sentences, and their table."""
