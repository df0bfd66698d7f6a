# What rsync starts in the sender's sandbox in place of ssh. It says on descriptor $1
# which rsync is wanted at the other end, and joins rsync to it: what comes on $2 goes
# to rsync, what comes from rsync goes to $3. $4 is the name of a host there is none of.
argv=$1 down=$2 up=$3
shift 4
# rsync holds descriptors open too, so an empty word says where the list ends
printf '%s\0' "$@" '' >&"$argv"
cat <&0 >&"$up" {down}<&- &
exec {up}>&-
# as ssh does, it ends when the other end has
exec cat <&"$down"
