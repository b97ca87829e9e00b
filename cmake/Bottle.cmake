# SPDX-License-Identifier: Apache-2.0
#[=======================================================================[.rst:
Bottle
------

MicroVM and container images as build targets::

  find_package(Bottle REQUIRED)
  add_bottle(hello)             # ./Dockerfile + this directory

``cmake --build build --target bottle-hello`` writes
``build/bottles/hello/hello.smolmachine``.

Functions, each in its own file:

:command:`add_bottle`
  declares a bottle and its targets (``AddBottle.cmake``)
:command:`add_gate`
  declares a gate, which controls the network access of bottles (``AddGate.cmake``)
:command:`bottle_outputs`
  returns the paths of a bottle's files, for your own rules (``BottleOutputs.cmake``)

Settings
^^^^^^^^

A variable set before :command:`add_bottle` initializes the target property of
the same name on ``bottle-<slug>``. The argument of :command:`add_bottle`, or
``set_property(TARGET bottle-<slug> PROPERTY ...)``, overrides it:

``BOTTLE_ENGINE``, ``BOTTLE_PACKER``, ``BOTTLE_PLATFORM``, ``BOTTLE_CPUS``,
``BOTTLE_MEMORY``, ``BOTTLE_NETWORK`` (of machines), ``BOTTLE_RUN_NETWORK``
(``none`` or ``host``), ``BOTTLE_RUN_ISOLATION``, ``BOTTLE_SMOLVM_VERSION``,
``BOTTLE_GIT_MODES``, ``BOTTLE_PUSH_OPTIONS``

``BOTTLE_RUN_ISOLATION`` has no argument: the grade of isolation of each
``RUN``, ``auto``, ``runtime``, ``userns`` or ``chroot``. Default: the variable
of that name in the environment of the build, else ``auto``, the strongest grade
that works.

``BOTTLE_GIT_MODES`` has no argument. If true, the default, context files get
the permissions that git would record (0755 if the owner may execute, else
0644), so that two checkouts give the same image whatever their umask.

``BOTTLE_PUSH_OPTIONS`` has no argument either. It has further options of
``bottle-registry push``, for example ``--compression;zstd`` or ``--index``.

Further variables:

``BOTTLE_IMAGE_JOBS``
  The number of images that Ninja builds in parallel; default: half of the cores,
  at least 2.
``BOTTLE_SCAN``
  How changed inputs are detected. ``times`` (default): the build tool compares
  times. ``always``: one process for the project in each build compares sizes,
  times, inodes and modes.
``BOTTLE_CACHE_DIR``
  The store of the tools; default: ``BOTTLE_CACHE_DIR`` of the environment, else
  the user's cache directory during the build.
``BOTTLE_SMOLVM_RUNTIME``
  The agent root filesystem of smolvm in packs: a directory, or ``none``.
  Default: the first directory where smolvm searches (``SMOLVM_AGENT_ROOTFS``, the
  user's data directory, beside ``smolvm`` in ``PATH``, ``/usr/lib/smolvm``). A
  directory that was found is kept until it is removed. If its content changes,
  the packs that contain it are rebuilt.
``BOTTLE_SOURCE_DATE_EPOCH``
  The time of all files and records in images and packs, in seconds since 1970;
  default: ``SOURCE_DATE_EPOCH`` of the environment, else 0. During the build,
  another ``SOURCE_DATE_EPOCH`` in the environment is an error.
``BOTTLE_LOCK``
  The lock of bottles without ``LOCK``; default: ``bottle.lock`` in the source
  directory of the project that declares the bottle.
``BOTTLE_VERIFY_REMOTE``
  If true, ``bottle-<slug>-push`` always checks that the registry still has the
  pushed content, and sends what is missing.
``BOTTLE_SKILLS_DIR``
  The directory of the skills of ``SKILLS``; default: ``$HOME/.claude/skills``.
``BOTTLE_IMAGES_DIR``
  Set by Bottle: the directory of the images in the package, for example
  ``${BOTTLE_IMAGES_DIR}/agent``.
``BOTTLE_TOOLS_DIR``
  A directory with the tools to use instead of those of this package. Set it
  when cross-compiling if the tools are not in ``PATH``.
``BOTTLE_TOOLS``
  With ``add_subdirectory()`` or ``FetchContent``: the tools to build, for example
  ``image;fingerprint;pack;why``. Default: all.
``BOTTLE_TOOLS_CMAKE_ARGS``
  With ``add_subdirectory()`` or ``FetchContent``: arguments of ``cmake`` for the
  tools, for example ``-DCMAKE_CXX_COMPILER=g++-13``.

Only the properties and ``BOTTLE_LOCK`` can contain generator expressions. A
variable with a name similar to one of these causes a warning.

``BOTTLE_ENGINE``, ``BOTTLE_CACHE_DIR`` and ``SOURCE_DATE_EPOCH`` of the
environment are read when the project is configured. If a variable is not set,
it keeps its value from the last time the project was configured.

Since 0.1
#]=======================================================================]
include_guard(GLOBAL)

# Functions remember the policies they are defined under, so a user's older cmake_minimum_required() changes nothing.
cmake_policy(VERSION 3.25)

include("${CMAKE_CURRENT_LIST_DIR}/BottleSettings.cmake")
get_property(_bottle_settings GLOBAL PROPERTY _BOTTLE_PROPERTIES)
foreach(_bottle_setting IN LISTS _bottle_settings)
  define_property(TARGET PROPERTY BOTTLE_${_bottle_setting} INITIALIZE_FROM_VARIABLE BOTTLE_${_bottle_setting}
    BRIEF_DOCS "${_bottle_setting} of a bottle; see add_bottle()")
endforeach()
unset(_bottle_setting)
unset(_bottle_settings)

include("${CMAKE_CURRENT_LIST_DIR}/BottleArguments.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/BottleJson.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/BottleTools.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/BottleContexts.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/BottleSpec.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/BottleRules.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/BottlePush.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/BottleChecks.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/BottleOutputs.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/AddBottle.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/BottleGateUrls.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/AddGate.cmake")
