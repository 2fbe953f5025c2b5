"""Apache Airflow provider for Mixpeek."""
