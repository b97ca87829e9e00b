# SPDX-License-Identifier: Apache-2.0
#[=======================================================================[.rst:
add_gate
--------

Declares a gate, a separate bottle that controls the network access of others::

  add_gate(<slug> TEMPLATE <git-gate|ssh-gate|directory> CONFIG <file>
    [DOCKERFILE <file>] [CONTEXT <directory>]
    [BASES <slug>...] [CONTEXTS <name=kind:value>...]
    [EXCLUDE_FROM_ALL])

``<slug>``
  The name of the gate and of its bottle.
``TEMPLATE``
  One of the two templates in the package, or another template directory.
``CONFIG``
  The gate's description, a JSON file (``bottle-gate schema`` prints its schema).
``DOCKERFILE``, ``CONTEXT``
  Default: the image in the package for this template. The rendered files are
  its named context ``gate``.
``BASES``, ``CONTEXTS``
  As for :command:`add_bottle`; ``base=bottle:<slug>`` replaces Debian
  by another image.

Targets:

``gate-<slug>``
  the rendered files, ``<build>/gates/<slug>/files``, and the image;
``gate-<slug>-up``, ``gate-<slug>-down``
  start the gate in a container; remove the container and its networks;
``bottle-<slug>`` and so on
  those of :command:`add_bottle`.

An edit of the description or of a template renders this gate again. The image
and the pack are rebuilt only if a rendered file changed.

Example::

  add_gate(upstream TEMPLATE git-gate CONFIG gate.json)
  add_bottle(agent GATES upstream)

Since 0.1
#]=======================================================================]
include_guard(GLOBAL)

# The directory of the Dockerfiles of the images in the package: git-gate, ssh-gate and agent.
foreach(_bottle_candidate IN ITEMS "${CMAKE_CURRENT_LIST_DIR}/.." "${CMAKE_CURRENT_LIST_DIR}/data")
  if(IS_DIRECTORY "${_bottle_candidate}/images/git-gate")
    get_filename_component(_bottle_candidate "${_bottle_candidate}/images" ABSOLUTE)
    set(BOTTLE_IMAGES_DIR "${_bottle_candidate}" CACHE INTERNAL "The images in the package")
    break()
  endif()
endforeach()
unset(_bottle_candidate)

function(add_gate slug)
  set(options EXCLUDE_FROM_ALL)
  set(single TEMPLATE CONFIG DOCKERFILE CONTEXT)
  set(multiple BASES CONTEXTS)
  set(arguments "")
  set(index 1)
  while(index LESS ARGC)
    _bottle_encode(word "${ARGV${index}}")
    list(APPEND arguments "${word}")
    math(EXPR index "${index} + 1")
  endwhile()
  cmake_parse_arguments(ARG "${options}" "${single}" "${multiple}" ${arguments})
  _bottle_check_slug(add_gate "${slug}")
  _bottle_refuse_unparsed(add_gate "${slug}" "${options};${single};${multiple}" "${ARG_UNPARSED_ARGUMENTS}"
    "${ARG_KEYWORDS_MISSING_VALUES}")
  foreach(keyword IN ITEMS TEMPLATE CONFIG)
    if(NOT DEFINED ARG_${keyword})
      message(FATAL_ERROR "add_gate(${slug}): ${keyword} is missing")
    endif()
  endforeach()
  foreach(keyword IN ITEMS TEMPLATE CONFIG)
    _bottle_refuse_expression("add_gate(${slug})" ARG_${keyword})
  endforeach()
  if(TARGET gate-${slug})
    message(FATAL_ERROR "add_gate(${slug}): the target gate-${slug} already exists")
  endif()

  _bottle_data_directory(data)
  _bottle_decode(template "${ARG_TEMPLATE}")
  if(template MATCHES "^(git-gate|ssh-gate)$")
    set(templates "${data}/templates/${template}")
    set(image "${data}/images/${template}")
  else()
    get_filename_component(templates "${template}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    if(NOT IS_DIRECTORY "${templates}")
      _bottle_did_you_mean(question "${template}" git-gate ssh-gate)
      message(FATAL_ERROR "add_gate(${slug}): TEMPLATE \"${template}\" is neither git-gate nor ssh-gate nor a directory${question}")
    endif()
    if(NOT ARG_DOCKERFILE)
      message(FATAL_ERROR "add_gate(${slug}): a template directory needs DOCKERFILE, the Dockerfile of its image")
    endif()
    set(image "${CMAKE_CURRENT_SOURCE_DIR}")
  endif()
  _bottle_decode(config "${ARG_CONFIG}")
  get_filename_component(config "${config}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  string(FIND "${config}" "${CMAKE_BINARY_DIR}/" in_build_tree)
  if(NOT in_build_tree EQUAL 0 AND (NOT EXISTS "${config}" OR IS_DIRECTORY "${config}"))
    message(FATAL_ERROR "add_gate(${slug}): CONFIG: there is no file ${config}; `bottle-gate schema` prints the schema of a description")
  endif()
  _bottle_directory(directory "${slug}" gates)
  _bottle_tool(gate gate)
  _bottle_step(
    STAMP "${directory}/render.stamp" RESULT "${directory}/rendered"
    COMMAND "${gate}" render --quiet --slug "${slug}" --config "${config}" --templates "${templates}"
            --out "${directory}/files" --stamp "${directory}/render.stamp" --result "${directory}/rendered"
            --depfile "${directory}/render.d"
    DEPENDS "${config}" "${gate}"
    DEPFILE "${directory}/render.d" TARGET _gate-${slug}-files
    COMMENT "Rendering gate ${slug}")
  add_custom_target(_gate-${slug}-files DEPENDS "${directory}/rendered")
  set_property(TARGET _gate-${slug}-files APPEND PROPERTY ADDITIONAL_CLEAN_FILES "${directory}/files" "${directory}/render.d")
  set_property(GLOBAL PROPERTY _BOTTLE_CONFIG_OF_GATE_${slug} "${config}")
  set_property(GLOBAL APPEND PROPERTY _BOTTLE_GATES ${slug})

  # Values may be any text; each is passed on as one argument.
  set(call "add_bottle([==[${slug}]==]")
  foreach(keyword IN ITEMS DOCKERFILE CONTEXT)
    if(ARG_${keyword})
      _bottle_decode(word "${ARG_${keyword}}")
    elseif(keyword STREQUAL "DOCKERFILE")
      set(word "${image}/Dockerfile")
    else()
      set(word "${image}")
    endif()
    string(APPEND call " ${keyword} [==[${word}]==]")
  endforeach()
  string(APPEND call " CONTEXTS [==[gate=gate:${slug}]==]")
  foreach(keyword IN ITEMS CONTEXTS BASES)
    if(ARG_${keyword})
      string(APPEND call " ${keyword}")
      foreach(word IN LISTS ARG_${keyword})
        _bottle_decode(word "${word}")
        string(APPEND call " [==[${word}]==]")
      endforeach()
    endif()
  endforeach()
  if(ARG_EXCLUDE_FROM_ALL)
    string(APPEND call " EXCLUDE_FROM_ALL")
  endif()
  cmake_language(EVAL CODE "${call})")

  add_custom_target(gate-${slug} DEPENDS "${directory}/rendered")
  add_dependencies(gate-${slug} _gate-${slug}-files bottle-${slug}-image)
  foreach(command IN ITEMS up down)
    add_custom_target(gate-${slug}-${command} COMMAND "${gate}" ${command} --rendered "${directory}/files" --image
      "${slug}:latest" USES_TERMINAL VERBATIM)
  endforeach()
  add_dependencies(gate-${slug}-up bottle-${slug}-load)
endfunction()

# The directory of templates/ and images/: in Bottle's sources, or in an installation.
function(_bottle_data_directory out)
  foreach(candidate IN ITEMS "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/.." "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/data")
    if(IS_DIRECTORY "${candidate}/templates/git-gate")
      get_filename_component(candidate "${candidate}" ABSOLUTE)
      set(${out} "${candidate}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "add_gate: the package has no directory templates/git-gate beside ${CMAKE_CURRENT_FUNCTION_LIST_DIR}; install it again")
endfunction()

# _bottle_gate_environment(<out> <slug of a bottle> <gate>...): encoded name=value words with the addresses of a bottle's
# gates. The host name of a gate is its slug. The URLs of an upstream lead to the gate, so that a clone uses the same URL as
# elsewhere (git-config(1), url.<base>.insteadOf and GIT_CONFIG_COUNT; BottleGateUrls.cmake).
function(_bottle_gate_environment out slug)
  set(words "")
  set(leading "")
  set(guards "")
  foreach(gate IN LISTS ARGN)
    _bottle_refuse_unknown_gate("add_bottle(${slug}): GATES" "${gate}")
    get_property(config GLOBAL PROPERTY _BOTTLE_CONFIG_OF_GATE_${gate})
    if(NOT EXISTS "${config}")
      message(FATAL_ERROR "add_bottle(${slug}): GATES ${gate}: there is no file ${config}; a gate's description is "
        "needed when the project is configured, so the build cannot generate it")
    endif()
    _bottle_surroundings(surroundings "${config}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${config}" ${surroundings})
    file(READ "${config}" json)
    string(JSON kind ERROR_VARIABLE error GET "${json}" kind)
    if(error)
      message(FATAL_ERROR "add_bottle(${slug}): GATES ${gate}: ${config} is not a gate's description: ${error}")
    endif()
    set(port 9418)
    if(kind STREQUAL "ssh-gate")
      set(port 2222)
    endif()
    string(JSON listen ERROR_VARIABLE error GET "${json}" listen port)
    if(NOT error)
      set(port "${listen}")
    endif()
    string(TOUPPER "${gate}" variable)
    string(REGEX REPLACE "[^A-Z0-9]" "_" variable "${variable}")
    set(address "${gate}:${port}")
    if(kind STREQUAL "git-gate")
      set(address "git://${address}")
      string(JSON length ERROR_VARIABLE error LENGTH "${json}" upstreams)
      if(error)
        set(length 0)
      endif()
      set(index 0)
      while(index LESS length)
        string(JSON upstream GET "${json}" upstreams ${index})
        string(JSON name ERROR_VARIABLE no_name GET "${upstream}" name)
        if(NOT no_name)
          _bottle_gate_urls(leading guards "${address}/${name}.git" "${upstream}")
        endif()
        math(EXPR index "${index} + 1")
      endwhile()
    endif()
    list(APPEND words "BOTTLE_GATE_${variable}=${address}")
  endforeach()
  set(count 0)
  set(known "${leading}")
  while(leading OR guards)
    if(leading)
      list(POP_FRONT leading base url)
    else()
      list(POP_FRONT guards url)
      set(base "${url}")
      if(url IN_LIST known)
        continue() # the URL of another upstream
      endif()
    endif()
    list(APPEND words "GIT_CONFIG_KEY_${count}=url.${base}.insteadOf" "GIT_CONFIG_VALUE_${count}=${url}")
    math(EXPR count "${count} + 1")
  endwhile()
  if(count GREATER 0)
    list(APPEND words "GIT_CONFIG_COUNT=${count}")
  endif()
  set(${out} "${words}" PARENT_SCOPE)
endfunction()

function(_bottle_refuse_unknown_gate where gate)
  get_property(gates GLOBAL PROPERTY _BOTTLE_GATES)
  if(NOT gate IN_LIST gates)
    _bottle_did_you_mean(question "${gate}" ${gates})
    if(question STREQUAL "")
      set(question "; declare it before with add_gate(${gate} ...)")
    endif()
    message(FATAL_ERROR "${where}: there is no gate \"${gate}\"${question}")
  endif()
endfunction()

# The directories with a symbolic link on the path to a file, and that of the file: only their times show that a link was changed, or
# the file replaced by an older one.
function(_bottle_surroundings out path)
  file(REAL_PATH "${path}" real)
  get_filename_component(found "${real}" DIRECTORY)
  set(links 0)
  set(paths "${path}")
  while(paths)
    list(POP_FRONT paths at)
    while(NOT at STREQUAL "/" AND links LESS 40)
      get_filename_component(parent "${at}" DIRECTORY)
      if(IS_SYMLINK "${at}")
        list(APPEND found "${parent}")
        file(READ_SYMLINK "${at}" target)
        get_filename_component(target "${target}" ABSOLUTE BASE_DIR "${parent}")
        list(APPEND paths "${target}")
        math(EXPR links "${links} + 1")
      endif()
      set(at "${parent}")
    endwhile()
  endwhile()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# _bottle_skills(<slug> <name>...): the rule that collects skills for the named context "skills" of a bottle.
function(_bottle_skills slug)
  _bottle_refuse_expression("add_bottle(${slug})" BOTTLE_SKILLS_DIR)
  set(root "${BOTTLE_SKILLS_DIR}")
  if(root STREQUAL "")
    set(root "$ENV{HOME}/.claude/skills")
  endif()
  get_filename_component(root "${root}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
  file(GLOB known LIST_DIRECTORIES TRUE RELATIVE "${root}" "${root}/*")
  list(JOIN known ", " listed)
  set(names "")
  foreach(name IN LISTS ARGN)
    _bottle_decode(name "${name}")
    if(NOT name MATCHES "^[A-Za-z0-9_][A-Za-z0-9_.-]*$" OR NOT IS_DIRECTORY "${root}/${name}")
      _bottle_nearest(nearest "${name}" ${known})
      if(nearest)
        set(nearest "did you mean ${nearest}? ")
      endif()
      message(FATAL_ERROR "add_bottle(${slug}): there is no skill \"${name}\" in ${root} (BOTTLE_SKILLS_DIR); ${nearest}Found: ${listed}")
    endif()
    list(APPEND names "${name}")
  endforeach()
  _bottle_directory(directory "${slug}" bottles)
  _bottle_tool(gate gate)
  _bottle_step(
    STAMP "${directory}/skills.stamp" RESULT "${directory}/skills.list"
    COMMAND "${gate}" skills --slug "${slug}" --root "${root}" --out "${directory}/skills" --stamp "${directory}/skills.stamp"
            --result "${directory}/skills.list" --depfile "${directory}/skills.d" ${names}
    DEPENDS "${gate}"
    DEPFILE "${directory}/skills.d" TARGET bottle-${slug}-image
    COMMENT "Collecting the skills of bottle ${slug}")
endfunction()
