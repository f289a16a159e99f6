#!/usr/bin/env python3
"""Writes the data sets of this folder from those that Debian's package python3-sklearn carries.

    examples/make.py [FOLDER]      FOLDER: where to write, by default this one

Needs apt-get and dpkg-deb of a Debian 12; nothing is installed. Numbers are copied as they stand, never reformatted.
"""
import csv
import gzip
import io
import pathlib
import subprocess
import sys
import tempfile

WINE = ("alcohol malic_acid ash alcalinity_of_ash magnesium total_phenols flavanoids nonflavanoid_phenols "
        "proanthocyanins color_intensity hue od280_od315 proline").split()
CELL = "radius texture perimeter area smoothness compactness concavity concave_points symmetry fractal_dimension".split()
DIABETES = "age sex bmi bp tc ldl hdl tch ltg glu".split()
TITANIC = "pclass survived name sex age sibsp parch ticket fare cabin embarked home.dest".split()


def write(folder, name, header, rows):
    with open(folder / name, "w", encoding="utf-8", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def with_classes(source, header, classes):
    """The files of scikit-learn: a line with counts, then numbers with the class's number last."""
    rows = list(csv.reader(source.read_text(encoding="utf-8").splitlines()))[1:]
    return header, [row[:-1] + [classes[int(row[-1])]] for row in rows]


def titanic(source):
    """ARFF: attributes, then comma-separated rows with ? for what is missing."""
    text = gzip.decompress(source.read_bytes()).decode("utf-8")
    head, _, data = text.partition("@data\n")
    names = [line.split("'")[1] for line in head.splitlines() if line.startswith("@attribute")]
    keep = [names.index(name) for name in TITANIC]
    rows = csv.reader(io.StringIO(data))
    return TITANIC, [["" if row[i] == "?" else row[i] for i in keep] for row in rows if row]


def diabetes(data, target):
    rows = gzip.decompress(data.read_bytes()).decode().split("\n")
    values = gzip.decompress(target.read_bytes()).decode().split()
    table = [row.split() for row in rows if row.strip()]
    # The targets are whole numbers written as 1.51e+02.
    return DIABETES + ["progression"], [row + [str(int(float(value)))] for row, value in zip(table, values, strict=True)]


def main():
    to = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(["apt-get", "download", "-qq", "python3-sklearn"], cwd=temporary, check=True)
        package = next(pathlib.Path(temporary).glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, temporary], check=True)
        root = pathlib.Path(temporary, "usr/lib/python3/dist-packages/sklearn/datasets")
        data = root / "data"
        write(to, "iris.csv", *with_classes(
            data / "iris.csv", "sepal_length sepal_width petal_length petal_width species".split(),
            "setosa versicolor virginica".split()))
        write(to, "wine.csv", *with_classes(data / "wine_data.csv", WINE + ["cultivar"],
                                            "cultivar_0 cultivar_1 cultivar_2".split()))
        write(to, "breast_cancer.csv", *with_classes(
            data / "breast_cancer.csv", [f"{kind}_{name}" for kind in ("mean", "error", "worst") for name in CELL] + ["diagnosis"],
            "malignant benign".split()))
        write(to, "diabetes.csv", *diabetes(data / "diabetes_data_raw.csv.gz", data / "diabetes_target.csv.gz"))
        write(to, "titanic.csv", *titanic(root / "tests/data/openml/id_40945/data-v1-dl-16826755.arff.gz"))


main()
