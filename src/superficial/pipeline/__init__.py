"""The workflow's side: the stages, what each reads of the configuration, plans, reasons and provenance."""
