"""The embedded tasks: real human text from ordinary packages, one file a task."""
