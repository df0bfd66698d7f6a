"""What the image cygno offers where CVMFS is mounted, and only there.

There is no CVMFS where this runs: a stand-in view has a view's script and programs,
with the image's own Python for the view's and a kernel that only repeats for ROOT's. The
stand-in for Geant4's data is one empty table, which is what moving a geantino needs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_world import (
    environment_of,
    make_home,
    make_notebook,
    run_as_person,
    run_notebook,
)

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

VIEW = "/cvmfs/sft.cern.ch/lcg/views/LCG_106/x86_64-el9-gcc13-opt"
GEANT4_DATA = "/cvmfs/geant4.cern.ch/share/data"
STAND_IN_ROOT = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

class Repeat(Kernel):
    implementation = implementation_version = banner = "stand-in for ROOT"
    language_info = {"name": "c++", "mimetype": "text/x-c++src", "file_extension": ".C"}

    def do_execute(self, code, silent, *more, **options):
        content = {"name": "stdout", "text": f"the view's ROOT has got {code}"}
        self.send_response(self.iopub_socket, "stream", content)
        return {"status": "ok", "execution_count": self.execution_count,
                "payload": [], "user_expressions": {}}

IPKernelApp.launch_instance(kernel_class=Repeat)
"""
GEANTINO = """
from geant4_pybind import *

class Boxes(G4VUserDetectorConstruction):
    def Construct(self):
        gas = G4NistManager.Instance().FindOrBuildMaterial("G4_He")
        world = G4LogicalVolume(G4Box("World", 1 * m, 1 * m, 1 * m), gas, "World")
        inner = G4LogicalVolume(G4Box("Gas", 10 * cm, 10 * cm, 10 * cm), gas, "Gas")
        G4PVPlacement(None, G4ThreeVector(), inner, "Gas", world, False, 0)
        return G4PVPlacement(None, G4ThreeVector(), world, "World", None, False, 0)

class OnlyTransport(G4VModularPhysicsList):
    def ConstructParticle(self):
        G4Geantino.GeantinoDefinition()
    def SetCuts(self):
        pass

class Gun(G4VUserPrimaryGeneratorAction):
    def __init__(self):
        super().__init__()
        self.gun = G4ParticleGun(1)
        self.gun.SetParticleDefinition(G4Geantino.Geantino())
        self.gun.SetParticlePosition(G4ThreeVector(0, 0, -50 * cm))
        self.gun.SetParticleMomentumDirection(G4ThreeVector(0, 0, 1))
    def GeneratePrimaries(self, event):
        self.gun.GeneratePrimaryVertex(event)

class Steps(G4UserSteppingAction):
    def UserSteppingAction(self, step):
        volume = step.GetPreStepPoint().GetTouchable().GetVolume().GetName()
        print("step", volume, round(step.GetStepLength() / cm))

class Actions(G4VUserActionInitialization):
    def Build(self):
        self.SetUserAction(Gun())
        self.SetUserAction(Steps())

run = G4RunManagerFactory.CreateRunManager(G4RunManagerType.SerialOnly)
for part in (Boxes(), OnlyTransport(), Actions()):
    run.SetUserInitialization(part)
run.Initialize()
run.BeamOn(1)
"""


@pytest.fixture(scope="module")
def environment():
    return environment_of("cygno")


@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path)


@pytest.fixture
def view(tmp_path, environment) -> Path:
    """Return a folder that looks like an LCG view, as far as the image looks."""
    folder = tmp_path / "view"
    for place in ("bin", "lib64", "lib/JupyROOT/kernel", "share/Heed/database"):
        (folder / place).mkdir(parents=True)
    (folder / "setup.sh").write_text(
        f'export PATH="{VIEW}/bin:$PATH" PYTHONPATH="{VIEW}/lib" A_VIEW="set up $#"\n'
    )
    (folder / "lib/JupyROOT/__init__.py").touch()
    (folder / "lib/JupyROOT/kernel/__init__.py").touch()
    (folder / "lib/JupyROOT/kernel/rootkernel.py").write_text(STAND_IN_ROOT)
    (folder / "lib64/libGarfield.so").touch()
    for name, text in (
        ("root", "#!/bin/sh\n"),
        ("python3", f'#!/bin/sh\nexec {environment}/bin/python "$@"\n'),
    ):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    return folder


def list_kernels(environment: Path, home: Path, mounts: dict[str, Path]) -> set[str]:
    said = run_as_person(
        environment, home, "jupyter", "kernelspec", "list", "--json", mounts=mounts
    )
    return set(json.loads(said)["kernelspecs"])


class TestOffer:
    def test_without_cvmfs_there_is_python_alone(self, environment, home):
        assert list_kernels(environment, home, {}) == {"python3"}

    def test_a_view_brings_root_and_garfield(self, environment, home, view):
        kernels = list_kernels(environment, home, {VIEW: view})
        assert kernels == {"python3", "lcg-root", "lcg-garfield"}

    def test_a_view_without_garfield_brings_root(self, environment, home, view):
        (view / "lib64/libGarfield.so").unlink()
        kernels = list_kernels(environment, home, {VIEW: view})
        assert kernels == {"python3", "lcg-root"}

    def test_a_view_without_its_script_brings_nothing(self, environment, home, view):
        (view / "setup.sh").unlink()
        assert list_kernels(environment, home, {VIEW: view}) == {"python3"}

    def test_the_server_offers_the_same(self, environment, home, view):
        program = (
            "from jupyter_server.serverapp import ServerApp\n"
            "server = ServerApp()\n"
            "server.initialize([], find_extensions=False, new_httpserver=False)\n"
            "print('offers', sorted(server.kernel_spec_manager.find_kernel_specs()))"
        )
        said = run_as_person(
            environment, home, "python", "-c", program, mounts={VIEW: view}
        )
        assert "offers ['lcg-garfield', 'lcg-root', 'python3']" in said


class TestKernels:
    def test_root_runs_in_the_view(self, environment, home, view):
        notebook = make_notebook("TH1F h;", kernel="lcg-root")
        said = run_notebook(environment, home, notebook, mounts={VIEW: view})
        assert "the view's ROOT has got TH1F h;" in said

    def test_garfield_finds_its_database_and_nothing_of_the_image(
        self, environment, home, view
    ):
        cell = (
            "import os, sys\n"
            "names = ('A_VIEW', 'GARFIELD_INSTALL', 'HEED_DATABASE', 'VIRTUAL_ENV',"
            " 'PYTHONUSERBASE', 'JUPYTER_PATH', 'GEANT4_DATA_DIR')\n"
            "print([os.environ.get(name) for name in names], sys.flags.no_user_site)"
        )
        notebook = make_notebook(cell, kernel="lcg-garfield")
        said = run_notebook(environment, home, notebook, mounts={VIEW: view})
        there = ["set up 0", VIEW, f"{VIEW}/share/Heed/database"]
        assert f"{[*there, *[None] * 4]} 1" in said

    def test_a_view_that_went_away_is_said_in_words(self, environment, home):
        start = f"{environment}/share/jupyterhub-af/lcg/start.sh"
        program = (
            "import os, subprocess\n"
            f"os.environ['AF_LCG_VIEW'] = {VIEW!r}\n"
            f"done = subprocess.run(['/bin/bash', {start!r}, 'true'],"
            " capture_output=True, text=True)\n"
            "print(done.returncode, done.stderr)"
        )
        said = run_as_person(environment, home, "python", "-c", program)
        assert said.strip() == (
            f"1 The LCG view {VIEW} is not mounted any more: choose another kernel."
        )


class TestGeant4:
    def test_is_imported_without_data_and_without_a_question(self, environment, home):
        cell = (
            "import geant4_pybind as g4\n"
            "gas = g4.G4NistManager.Instance().FindOrBuildMaterial('G4_He')\n"
            "print(g4.G4Version, gas.GetName())"
        )
        said = run_notebook(environment, home, make_notebook(cell))
        assert "geant4-11" in said
        assert "G4_He" in said

    def test_moves_a_particle_with_the_data_of_cvmfs(self, environment, home, tmp_path):
        table = tmp_path / "data" / "G4ENSDFSTATE3.0" / "ENSDFSTATE.dat"
        table.parent.mkdir(parents=True)
        table.touch()
        notebook = make_notebook(GEANTINO)
        mounts = {GEANT4_DATA: tmp_path / "data"}
        said = run_notebook(environment, home, notebook, mounts=mounts)
        steps = [
            said.find(f"step {step}") for step in ("World 40", "Gas 20", "World 90")
        ]
        assert -1 not in steps
        assert steps == sorted(steps)
