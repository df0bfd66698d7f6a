# start.sh COMMAND...: run a program of the LCG view that AF_LCG_VIEW names.
#
# The view brings a Python of its own: nothing of this image's may reach it.
view="${AF_LCG_VIEW:?names the LCG view}"
if [ ! -r "$view/setup.sh" ]; then
  echo "The LCG view $view is not mounted any more: choose another kernel." >&2
  exit 1
fi
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONUSERBASE JUPYTER_PATH GEANT4_DATA_DIR
export PYTHONNOUSERSITE=1 PATH=/usr/local/bin:/usr/bin:/bin
# its arguments are not for the view's script
command=("$@")
set --
. "$view/setup.sh"
if [ -d "$view/share/Heed/database" ]; then
  export GARFIELD_INSTALL="${GARFIELD_INSTALL:-$view}"
  export HEED_DATABASE="${HEED_DATABASE:-$view/share/Heed/database}"
fi
exec "${command[@]}"
