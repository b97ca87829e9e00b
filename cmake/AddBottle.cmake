# SPDX-License-Identifier: Apache-2.0
#[=======================================================================[.rst:
add_bottle
----------

Declares an image that a Dockerfile describes, and the targets that build it::

  add_bottle(<slug>
    [DOCKERFILE <file>] [CONTEXT <directory>] [TARGET <stage>]
    [PLATFORMS <os/architecture>]
    [BUILD_ARGS <name=value>...] [CONTEXTS <name=kind:value>...] [BASES <slug>...]
    [SECRETS <id=env:NAME|file:PATH>...] [LOCK <file>] [LOCKED [<boolean>]]
    [SKILLS <name>...] [GATES <gate>...] [DEPENDS <target or file>...]
    [ENGINE <engine>] [ENGINE_OPTIONS <word>...]
    [PACKER <packer>] [REGISTRY_IMAGE <image@sha256:...>]
    [CPUS <n>] [MEMORY <MiB>] [NETWORK [machine] [none|host]] [USER <user>]
    [SMOLVM_VERSION <version>]
    [SHM_SIZE <size>] [ULIMITS <name=soft[:hard]>...] [ADD_HOSTS <name:address>...]
    [ENV <name=value>...] [ENTRYPOINT <word>...] [CMD <word>...]
    [PUSH <reference>...] [PUSH_PACK <reference>...]
    [EXCLUDE_FROM_ALL])

``<slug>``
  The bottle's name: at most 63 characters of ``a-z 0-9 _ . -``; the first
  character is a letter or a digit.
``DOCKERFILE``
  The Dockerfile, relative to the current source directory; default:
  ``Dockerfile`` in the context.
``CONTEXT``
  The directory that the Dockerfile copies from; default: the current source
  directory. The build tree is never part of it. Files get the
  permissions that git would record, 0755 or 0644, whatever the umask of the
  checkout. ``COPY --chmod`` sets others; ``BOTTLE_GIT_MODES`` turns this off.
``TARGET``
  The stage to build; default: the last one.
``PLATFORMS``
  One platform, for example ``linux/arm64``; default: this machine's.
``BUILD_ARGS``
  Values for the Dockerfile's ``ARG``. Unused values do not cause a rebuild.
``CONTEXTS``
  Named contexts, for ``FROM <name>`` and ``COPY --from=<name>``:
  ``path:<directory>``, ``bottle:<slug>``, ``target:<target>`` (the file of an
  executable or library, under its own name), ``oci-layout:<directory>``,
  followed by ``:<tag>`` or ``@<digest>`` if the layout has several images,
  ``docker-archive:<file>[:<tag>]`` (written by ``docker save``),
  ``image:<reference>`` or ``docker-image://<reference>`` (an image of a
  registry, in the version of the lock), ``https://<url>`` and the address of a
  git repository (``https://<host>/<path>.git#<ref>:<directory>``,
  ``git@<host>:<path>``; their files, in the version of the lock),
  ``gate:<slug>`` (the rendered files of a gate that is declared before).
``BASES``
  ``BASES base`` means ``CONTEXTS base=bottle:base``. A bottle may be declared
  after the bottles that need it.
``SECRETS``
  Secrets for ``RUN --mount=type=secret``, by ID: the value of an environment
  variable, or the content of a file. They are read when a ``RUN`` needs them.
  A changed value does not cause a rebuild. Secrets are never written to a key,
  a layer or a log.
``LOCK``
  The lock: the file with the digests and commits of outside sources
  (``bottle-lock``); default: the variable ``BOTTLE_LOCK``, else ``bottle.lock``
  in the source directory of the project.
``LOCKED``
  A source that the lock does not have is an error. Without it the first build
  resolves such a source and adds it to the lock, and later builds take it from
  there; an entry that is there is never changed. Default: the variable
  ``BOTTLE_LOCKED``; if that is empty, ``BOTTLE_LOCKED`` in the environment of
  the build, else whether ``CI`` is set there.
``SKILLS``
  Directories in ``$HOME/.claude/skills`` (or in ``BOTTLE_SKILLS_DIR``). Together
  they are the named context ``skills``, for
  ``COPY --from=skills . /home/agent/.claude/skills/``.
``GATES``
  Gates (:command:`add_gate`) that this bottle uses. They are built before it.
  The environment in its pack has their addresses in ``BOTTLE_GATE_<SLUG>``, and
  git settings that redirect the URLs of upstreams to the gate.
``DEPENDS``
  Targets and files to build first, for generated files in a context.
``ENGINE``
  The builder engine: ``builtin``, ``docker``, ``podman``, ``buildah`` or
  ``buildx``. The argument overrides the variable ``BOTTLE_ENGINE``, which
  overrides the environment variable. If an engine is missing or cannot be
  reached, the target fails, and not the configuring.
``ENGINE_OPTIONS``
  Words for the build command of an outside engine, for example
  ``--network=host``. They are part of the key; ``BOTTLE_ENGINE_OPTIONS`` of the
  environment is not.
``PACKER``
  The packer: ``native``, or ``smolvm`` for the command of that name.
``REGISTRY_IMAGE``
  For ``PACKER smolvm``: a container of this image serves the bottle's image
  instead of Bottle's own registry. The reference must have a digest.
``CPUS``, ``MEMORY``
  The default size of a machine made from the pack; default: 4, 8192 MiB.
``NETWORK``
  Up to two words, in any order. ``machine``, or the keyword without a value: a
  machine made from the pack has a network. ``none``: no ``RUN`` of this bottle
  has a network, so that only its inputs can affect it (recommended). ``host``,
  the default: each ``RUN`` uses this machine's network, unless it has
  ``--network=none``. So ``NETWORK machine none`` builds without a network and
  runs with one. A generator expression may also give 1 or 0 for ``machine``:
  ``NETWORK $<CONFIG:Debug> none``.
``SHM_SIZE``, ``ULIMITS``, ``ADD_HOSTS``
  Settings of each ``RUN`` of this bottle: the size of ``/dev/shm``, for example
  ``128m`` (default: 64 MiB); limits of :manpage:`setrlimit(2)`, for example
  ``nofile=1024:2048`` (``-1`` means no limit); lines of ``/etc/hosts``, for
  example ``mirror:10.0.0.1``. They are part of the key. Outside engines get
  them as ``--shm-size``, ``--ulimit`` and ``--add-host``.
``ENV``, ``ENTRYPOINT``, ``CMD``, ``USER``
  ``ENV`` adds to the image's environment; the others replace the image's
  values. They affect the pack only. ``USER`` is a name or number, with a group
  if needed: ``agent``, ``1000:1000``.
``SMOLVM_VERSION``
  The smolvm version that the pack is built for, for example ``1.16.2``, at
  least 1.8.1. ``current``, the default, is the newest version that Bottle
  knows. A pack for an older version has only members that it supports: before
  1.14.5 there is no user.
``PUSH``, ``PUSH_PACK``
  The references to which ``bottle-<slug>-push`` pushes the image and the pack:
  ``registry/repository:tag``. ``push/*.json`` beside the pack records the
  outcome for each blob. Credentials are read from Docker's configuration.
``EXCLUDE_FROM_ALL``
  Excludes the bottle from the default target.

Values may be any text, including ``;``, quotes, ``$`` and newlines, and
generator expressions. (A word of ``ENTRYPOINT`` or ``CMD`` cannot be a
keyword.) The tools check the evaluated values; an empty value means the
default. Slugs, the names of targets, gates and skills, and the names in
``name=value`` are needed when the project is configured and cannot contain
generator expressions.

Targets:

``bottle-<slug>``
  the pack, ``<build>/bottles/<slug>/<slug>.smolmachine`` (a multi-config
  generator adds the configuration: ``<build>/<config>/bottles/...``);
``bottle-<slug>-image``
  the image plan;
``bottle-<slug>-oci``
  the OCI image layout ``oci/`` beside the pack;
``bottle-<slug>-load``
  loads the image into Docker or Podman as ``<slug>:latest``;
``bottle-<slug>-why``
  prints why the last build ran each step;
``bottle-<slug>-push``
  pushes image and pack to the references of ``PUSH`` and ``PUSH_PACK``. It sends
  only blobs that the registry lacks, and no request if nothing changed;
``bottles``, ``bottles-push``
  all packs; all pushes;
``bottle-lock``
  updates the locks of all bottles (``bottle-lock update``). No other target
  depends on it. A build may add entries to a lock (``LOCKED``), and never
  changes one.

Example::

  add_executable(hello hello.c)
  target_link_options(hello PRIVATE -static)
  add_bottle(hello
    CONTEXTS app=target:hello     # Dockerfile: COPY --from=app hello /hello
    MEMORY 512)

Since 0.1
#]=======================================================================]
include_guard(GLOBAL)

function(add_bottle slug)
  set(options EXCLUDE_FROM_ALL)
  set(single DOCKERFILE CONTEXT TARGET LOCK ENGINE PACKER REGISTRY_IMAGE CPUS MEMORY USER SMOLVM_VERSION SHM_SIZE)
  set(multiple NETWORK LOCKED PLATFORMS BUILD_ARGS CONTEXTS BASES SECRETS SKILLS GATES DEPENDS ENGINE_OPTIONS ULIMITS ADD_HOSTS ENV ENTRYPOINT CMD PUSH PUSH_PACK)
  # Encoded word by word, because a list would split values (BottleArguments.cmake).
  set(arguments "")
  set(index 1)
  while(index LESS ARGC)
    _bottle_encode(word "${ARGV${index}}")
    list(APPEND arguments "${word}")
    math(EXPR index "${index} + 1")
  endwhile()
  cmake_parse_arguments(ARG "${options}" "${single}" "${multiple}" ${arguments})
  _bottle_encode(nothing "")
  foreach(keyword IN LISTS single)
    if("${ARG_${keyword}}" STREQUAL nothing AND NOT keyword STREQUAL "USER")
      unset(ARG_${keyword})  # an empty value means the default; no USER is that
    endif()
  endforeach()

  _bottle_check_slug(add_bottle "${slug}")
  _bottle_check_variables("add_bottle(${slug})")
  foreach(keyword IN ITEMS NETWORK LOCKED PLATFORMS BUILD_ARGS CONTEXTS BASES SECRETS GATES ULIMITS ADD_HOSTS ENV PUSH PUSH_PACK)
    _bottle_refuse_misspelt_keyword(add_bottle "${slug}" "${options};${single};${multiple}" ${ARG_${keyword}})
  endforeach()
  _bottle_network(ARG add_bottle "${slug}")
  _bottle_flag_or_value(ARG LOCKED add_bottle "${slug}")
  _bottle_refuse_unparsed(add_bottle "${slug}" "${options};${single};${multiple}" "${ARG_UNPARSED_ARGUMENTS}"
    "${ARG_KEYWORDS_MISSING_VALUES}")
  get_property(slugs GLOBAL PROPERTY _BOTTLE_SLUGS)
  if(slug IN_LIST slugs)
    get_property(place GLOBAL PROPERTY _BOTTLE_PLACE_OF_${slug})
    message(FATAL_ERROR "add_bottle(${slug}): a bottle with this name is already declared in ${place}")
  endif()
  if(slug STREQUAL "lock")
    message(FATAL_ERROR "add_bottle(lock): the target bottle-lock updates the locks; choose another slug")
  endif()
  foreach(suffix IN ITEMS "" -image -oci -load -why -push)
    if(TARGET bottle-${slug}${suffix})
      message(FATAL_ERROR "add_bottle(${slug}): the target bottle-${slug}${suffix} already exists; it may belong to another bottle")
    endif()
  endforeach()
  if(NOT CMAKE_GENERATOR MATCHES "^(Ninja|Ninja Multi-Config|Unix Makefiles)$")
    message(FATAL_ERROR "add_bottle(${slug}): the generator \"${CMAKE_GENERATOR}\" is not supported; expected Ninja, Ninja "
      "Multi-Config or Unix Makefiles")
  endif()
  foreach(keyword IN ITEMS BUILD_ARGS ENV)
    foreach(word IN LISTS ARG_${keyword})
      if(NOT word MATCHES "^[^=]+=")
        _bottle_decode(word "${word}")
        message(FATAL_ERROR "add_bottle(${slug}): ${keyword} \"${word}\" is not of the form name=value")
      elseif(word MATCHES "^[^=]*\\$<")
        _bottle_decode(word "${word}")
        message(FATAL_ERROR "add_bottle(${slug}): ${keyword} \"${word}\": only the value can contain a generator expression, for example "
          "NAME=$<IF:$<CONFIG:Debug>,a,b>")
      endif()
    endforeach()
  endforeach()
  _bottle_check_run_settings("add_bottle(${slug})")
  list(LENGTH ARG_PLATFORMS count)
  if(count GREATER 1)
    list(JOIN ARG_PLATFORMS " " platforms)
    message(FATAL_ERROR "add_bottle(${slug}): PLATFORMS ${platforms}: a bottle can have only one platform")
  endif()

  foreach(base IN LISTS ARG_BASES)
    _bottle_check_slug("add_bottle(${slug}): BASES" "${base}")
    list(APPEND ARG_CONTEXTS "${base}=bottle:${base}")
  endforeach()
  if(ARG_SKILLS)
    _bottle_directory(skills "${slug}" bottles)
    list(APPEND ARG_CONTEXTS "skills=path:${skills}/skills")
    list(APPEND ARG_DEPENDS "${skills}/skills.list")
  endif()
  if(ARG_GATES)
    _bottle_gate_environment(addresses "${slug}" ${ARG_GATES})
    list(APPEND ARG_ENV ${addresses})
  endif()
  _bottle_contexts(${slug} CONTEXTS ${ARG_CONTEXTS})
  set(depends "")
  foreach(dependency IN LISTS ARG_DEPENDS)
    _bottle_decode(dependency "${dependency}")
    list(APPEND depends "${dependency}")
  endforeach()
  set_property(GLOBAL PROPERTY _BOTTLE_DEPENDS_OF_${slug} "${depends}")
  get_filename_component(context "${ARG_CONTEXT}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  if(context STREQUAL CMAKE_BINARY_DIR)
    message(FATAL_ERROR "add_bottle(${slug}): the context ${context} is the build tree, which changes in every build; "
      "use a separate build directory")
  endif()
  if(ARG_CONTEXT AND NOT depends)
    _bottle_absolute(encoded "${ARG_CONTEXT}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
    set_property(GLOBAL APPEND PROPERTY _BOTTLE_DIRECTORIES_OF_${slug} "${encoded}")
  endif()
  if(ARG_DOCKERFILE AND NOT depends)
    _bottle_absolute(encoded "${ARG_DOCKERFILE}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
    set_property(GLOBAL APPEND PROPERTY _BOTTLE_DOCKERFILE_OF_${slug} "${encoded}")
  endif()
  set(all ALL)
  if(ARG_EXCLUDE_FROM_ALL)
    set(all "")
  endif()
  if(ARG_LOCK)
    _bottle_absolute(lock "${ARG_LOCK}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
  else()
    _bottle_encode(lock "${BOTTLE_LOCK}")
    if(NOT BOTTLE_LOCK)
      set(lock "")
    endif()
    _bottle_absolute(lock "${lock}" "${PROJECT_SOURCE_DIR}" "bottle.lock")
  endif()
  _bottle_runtime(runtime "add_bottle(${slug})")
  _bottle_write_spec(${slug} "${lock}" "${runtime}")
  _bottle_rules(${slug} "${all}" "${CONTEXTS_BOTTLES}" "${CONTEXTS_FILES}" "${depends}" "${lock}" "${context}" "${runtime}")
  _bottle_push(${slug} "${ARG_PUSH}" "${ARG_PUSH_PACK}")
  if(ARG_SKILLS)
    _bottle_skills(${slug} ${ARG_SKILLS})
  endif()
  foreach(gate IN LISTS ARG_GATES)
    add_dependencies(bottle-${slug} gate-${gate})
  endforeach()
  foreach(gate IN LISTS CONTEXTS_GATES)
    add_dependencies(bottle-${slug}-image _gate-${gate}-files)
  endforeach()
  _bottle_settings(${slug})
  _bottle_register(${slug} "${CONTEXTS_BOTTLES}" "${CONTEXTS_TARGETS}")
endfunction()

# Sets the properties for which its caller add_bottle() has an argument, or which no BOTTLE_* variable has set.
function(_bottle_settings slug)
  if(DEFINED ARG_PLATFORMS)
    set(ARG_PLATFORM "${ARG_PLATFORMS}")
  endif()
  foreach(setting IN ITEMS ENGINE PACKER PLATFORM CPUS MEMORY NETWORK RUN_NETWORK GIT_MODES SMOLVM_VERSION LOCKED)
    get_property(value TARGET bottle-${slug} PROPERTY BOTTLE_${setting})
    if(DEFINED ARG_${setting})
      _bottle_decode(value "${ARG_${setting}}")
    endif()
    if("${value}" STREQUAL "")  # not set, and then not even defined, or set to nothing
      _bottle_setting_default(value ${setting})
    endif()
    _bottle_check_setting("add_bottle(${slug})" ${setting} "${value}")
    set_property(TARGET bottle-${slug} PROPERTY BOTTLE_${setting} "${value}")
  endforeach()
endfunction()

# A keyword with at most one value: the keyword alone is TRUE.
function(_bottle_flag_or_value prefix keyword function slug)
  list(LENGTH ${prefix}_${keyword} count)
  if(count GREATER 1)
    list(GET ${prefix}_${keyword} 1 word)
    _bottle_decode(word "${word}")
    message(FATAL_ERROR "${function}(${slug}): ${keyword} takes one value, found also \"${word}\"")
  endif()
  set(missing "${${prefix}_KEYWORDS_MISSING_VALUES}")
  if(keyword IN_LIST missing)
    list(REMOVE_ITEM missing ${keyword})
    set(${prefix}_${keyword} TRUE PARENT_SCOPE)
    set(${prefix}_KEYWORDS_MISSING_VALUES "${missing}" PARENT_SCOPE)
  endif()
endfunction()

# Parses NETWORK [machine] [none|host], which may have no value. <prefix>_NETWORK becomes TRUE if the machine has a network,
# <prefix>_RUN_NETWORK becomes none or host. Each is undefined if it is not given. Words with generator expressions are passed
# unchanged to the tools, after the word NETWORK. The tools refuse invalid words (src/image/model/setting.hpp).
function(_bottle_network prefix function slug)
  set(words "${${prefix}_NETWORK}")
  set(missing "${${prefix}_KEYWORDS_MISSING_VALUES}")
  unset(machine)
  unset(run)
  if(words MATCHES "\\$<")
    set(decoded "")
    foreach(word IN LISTS words)
      _bottle_decode(word "${word}")
      string(APPEND decoded ";${word}")
    endforeach()
    # Without a word, the value of the variable is used.
    set(${prefix}_NETWORK "NETWORK;${BOTTLE_NETWORK}${decoded}" PARENT_SCOPE)
    set(${prefix}_RUN_NETWORK
      "$<IF:$<IN_LIST:none,${decoded}>,none,$<IF:$<IN_LIST:host,${decoded}>,host,${BOTTLE_RUN_NETWORK}>>" PARENT_SCOPE)
    return()
  endif()
  if("NETWORK" IN_LIST missing)
    list(REMOVE_ITEM missing NETWORK)
    set(machine TRUE)
  endif()
  _bottle_encode(nothing "")
  list(REMOVE_ITEM words "${nothing}")
  foreach(word IN LISTS words)
    if(word STREQUAL "machine" AND NOT DEFINED machine)
      set(machine TRUE)
    elseif(word MATCHES "^(none|host)$" AND NOT DEFINED run)
      set(run ${word})
    else()
      _bottle_decode(word "${word}")
      message(FATAL_ERROR "${function}(${slug}): NETWORK \"${word}\": expected \"machine\", for a machine made from the pack, "
        "and one of \"none\" and \"host\", for RUN, each once")
    endif()
  endforeach()
  unset(${prefix}_NETWORK PARENT_SCOPE)
  unset(${prefix}_RUN_NETWORK PARENT_SCOPE)
  if(DEFINED machine)
    set(${prefix}_NETWORK TRUE PARENT_SCOPE)
  endif()
  if(DEFINED run)
    set(${prefix}_RUN_NETWORK ${run} PARENT_SCOPE)
  endif()
  set(${prefix}_KEYWORDS_MISSING_VALUES "${missing}" PARENT_SCOPE)
endfunction()
