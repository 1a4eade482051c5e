"""What the page shows: a file a kind of result, each of which registers itself."""
