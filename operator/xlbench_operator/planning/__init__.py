"""The pure core: spec -> doses -> chains of stages -> plan. No clock, no files, no network."""
