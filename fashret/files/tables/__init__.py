"""What people have: a table in any of its forms, a folder, a public dataset's manifest; each becomes rows.

catalogues (a table or a folder) · catalogue_tables · parquet · cells · box_columns · folders · manifests
vectors (embeddings as a table, for other software)
"""
