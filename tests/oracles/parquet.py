"""Makes the files of the folder `parquet` with pandas and pyarrow: one table, compressed in three ways."""

import datetime
import pathlib

import pandas as pd

folder = pathlib.Path(__file__).parent / "parquet"
folder.mkdir(exist_ok=True)
table = pd.DataFrame(
    {
        "whole": [-5, 9007199254740993, 0],
        "real": [0.1, None, 2.5e-7],
        "word": ["Oslo", None, 'a, "b"'],
        "flag": [True, False, True],
        "day": [datetime.date(2024, 2, 29)] * 3,
        "parts": [[1, 2], [], [3]],
    }
)
table.index = [7, 8, 9]
for name, compression in [("snappy", "snappy"), ("gzip", "gzip"), ("plain", None)]:
    table.to_parquet(folder / f"{name}.parquet", compression=compression)
