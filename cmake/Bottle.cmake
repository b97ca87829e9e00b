#[=======================================================================[.rst:
Bottle
------

MicroVM and container images as build targets::

  find_package(Bottle REQUIRED)
  add_bottle(hello)             # ./Dockerfile + this directory

``cmake --build build --target bottle-hello`` then leaves
``build/bottles/hello/hello.smolmachine``.

Functions, each in a file of its own:

:command:`add_bottle`
  declares a bottle and its targets (``AddBottle.cmake``)
:command:`add_gate`
  declares a gate between bottles and the outside (``AddGate.cmake``)
:command:`bottle_outputs`
  says where a bottle's files are, for rules of your own (``BottleOutputs.cmake``)

Settings
^^^^^^^^

A variable set before :command:`add_bottle` initialises the target property of
the same name on ``bottle-<slug>``; the argument of :command:`add_bottle`, or
``set_property(TARGET bottle-<slug> PROPERTY ...)``, overrides it:

``BOTTLE_ENGINE``, ``BOTTLE_PACKER``, ``BOTTLE_PLATFORM``, ``BOTTLE_CPUS``,
``BOTTLE_MEMORY``, ``BOTTLE_NETWORK`` (of machines), ``BOTTLE_RUN_NETWORK``
(``none`` or ``host``), ``BOTTLE_SMOLVM_VERSION``, ``BOTTLE_GIT_MODES``,
``BOTTLE_PUSH_OPTIONS``

``BOTTLE_GIT_MODES`` has no argument: if true, the default, files of a context
have the permissions that git would give them (0755 if the owner may execute,
else 0644), so that two checkouts give the same image whatever their umask.

``BOTTLE_PUSH_OPTIONS`` has none either: further options of ``bottle-registry
push``, for example ``--compression;zstd`` or ``--index``.

Further variables:

``BOTTLE_IMAGE_JOBS``
  How many images Ninja builds side by side (half of the cores, at least 2).
``BOTTLE_SCAN``
  What notices that an input changed: ``times`` (default), the build tool, which
  compares times; ``always``, one process for the project in each build, which
  compares sizes, times, inodes and modes.
``BOTTLE_CACHE_DIR``
  The store that the tools use; default: the environment's, else what they find
  in the environment of the build.
``BOTTLE_SMOLVM_RUNTIME``
  The agent root filesystem of smolvm that packs hold, a directory, or ``none``.
  Default: what is found where smolvm looks (``SMOLVM_AGENT_ROOTFS``, the user's
  data directory, beside ``smolvm`` in ``PATH``, ``/usr/lib/smolvm``); once found
  it stays until it is gone. Another content packs again what holds it.
``BOTTLE_SOURCE_DATE_EPOCH``
  The time of everything in images and packs, in seconds since 1970; default:
  ``SOURCE_DATE_EPOCH`` of the environment, else 0. While building, another
  ``SOURCE_DATE_EPOCH`` in the environment is an error.
``BOTTLE_LOCK``
  The lock of bottles that name none (``LOCK``); default: ``bottle.lock`` in the
  source directory of the project that declares the bottle.
``BOTTLE_VERIFY_REMOTE``
  If true, ``bottle-<slug>-push`` asks the registry each time whether it still
  has what was pushed, and sends what it lost.
``BOTTLE_SKILLS_DIR``
  Where the skills of ``SKILLS`` are; default: ``$HOME/.claude/skills``.
``BOTTLE_IMAGES_DIR``
  Set by Bottle: where the images that come with it are, for example
  ``${BOTTLE_IMAGES_DIR}/agent``.
``BOTTLE_TOOLS_DIR``
  A directory with the tools to use instead of the ones that came with this
  package. Needed when cross-compiling and they are not in ``PATH``.

Of these only the properties and ``BOTTLE_LOCK`` can hold generator expressions.
A variable whose name is nearly one of these is a warning.

``BOTTLE_ENGINE``, ``BOTTLE_CACHE_DIR`` and ``SOURCE_DATE_EPOCH`` of the
environment are read when the project is configured. One that is not set then
keeps the value it had when it was configured before.

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
