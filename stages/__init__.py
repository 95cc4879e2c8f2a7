"""The stages of the DAG: read parameters, call the library, write the report. Alone: python -m stages.NAME"""
