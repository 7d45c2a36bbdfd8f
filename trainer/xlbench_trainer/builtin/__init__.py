"""The encoders that come from ordinary packages, or from none."""
