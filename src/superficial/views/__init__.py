"""What people look at: figures, tables, pages and the report. They read finished tables and load no model."""
