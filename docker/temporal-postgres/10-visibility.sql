-- Runs once, when the volume is empty. The database `temporal` is made by POSTGRES_DB.
CREATE DATABASE temporal_visibility;
