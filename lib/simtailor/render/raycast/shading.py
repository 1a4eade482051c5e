"""Light on surfaces, as functions of the ray caster's kernels: textures, sky, film.

Sources: GGX microfacets with Smith shadowing (Walter et al. 2007) and Schlick's Fresnel
term; environment light as a split sum (Karis, "Real Shading in Unreal Engine 4", 2013)
with the analytic environment BRDF of Karis, "Physically Based Shading on Mobile" (2014);
irradiance in spherical harmonics (Ramamoorthi and Hanrahan 2001); filmic curve fitted by
Narkowicz, "ACES Filmic Tone Mapping Curve" (2015).
"""

from __future__ import annotations

import warp as wp

from simtailor.render.raycast.records import (
    SLOTS,
    Assets,
    InstanceRecord,
    SceneRecord,
    TextureRecord,
)

PI = wp.constant(3.14159265358979)


@wp.func
def texel_of(texels: wp.array(dtype=wp.vec3h), first: int, width: int, height: int, x: int, y: int):
    column = x % width
    if column < 0:
        column += width
    row = y % height
    if row < 0:
        row += height
    return wp.vec3(texels[first + row * width + column])


@wp.func
def sample_texture(
    texels: wp.array(dtype=wp.vec3h), texture: TextureRecord, u: float, v: float, footprint: float
):
    """Bilinear, in the mip level whose texel is about ``footprint`` (in repeats) wide."""
    wanted = wp.log2(wp.max(footprint * float(wp.max(texture.width, texture.height)), 1.0))
    level = wp.min(int(wanted + 0.5), texture.levels - 1)
    first = texture.first_texel
    width = texture.width
    height = texture.height
    for _ in range(level):
        first += width * height
        width = wp.max(width / 2, 1)
        height = wp.max(height / 2, 1)
    x = u * float(width) - 0.5
    y = v * float(height) - 0.5
    x0 = int(wp.floor(x))
    y0 = int(wp.floor(y))
    fx = x - float(x0)
    fy = y - float(y0)
    top = wp.lerp(
        texel_of(texels, first, width, height, x0, y0),
        texel_of(texels, first, width, height, x0 + 1, y0),
        fx,
    )
    bottom = wp.lerp(
        texel_of(texels, first, width, height, x0, y0 + 1),
        texel_of(texels, first, width, height, x0 + 1, y0 + 1),
        fx,
    )
    return wp.lerp(top, bottom, fy)


@wp.func
def sample_map(maps: wp.array4d(dtype=wp.vec3h), index: int, level: int, u: float, v: float):
    """Bilinear sample of an equirectangular map; wraps in u, clamps in v."""
    height = maps.shape[2]
    width = maps.shape[3]
    x = u * float(width) - 0.5
    y = wp.clamp(v * float(height) - 0.5, 0.0, float(height) - 1.001)
    x0 = int(wp.floor(x))
    y0 = int(y)
    fx = x - float(x0)
    fy = y - float(y0)
    left = (x0 + width) % width
    right = (x0 + 1 + width) % width
    top = wp.lerp(wp.vec3(maps[index, level, y0, left]), wp.vec3(maps[index, level, y0, right]), fx)
    bottom = wp.lerp(
        wp.vec3(maps[index, level, y0 + 1, left]), wp.vec3(maps[index, level, y0 + 1, right]), fx
    )
    return wp.lerp(top, bottom, fy)


@wp.func
def map_coordinates(direction: wp.vec3, rotation: float):
    turn = (wp.atan2(direction[2], direction[0]) + rotation) / (2.0 * PI)
    return wp.vec2(turn - wp.floor(turn), wp.acos(wp.clamp(direction[1], -1.0, 1.0)) / PI)


@wp.func
def irradiance(
    harmonics: wp.array2d(dtype=wp.vec3), index: int, direction: wp.vec3, rotation: float
):
    c = wp.cos(rotation)
    s = wp.sin(rotation)
    x = c * direction[0] - s * direction[2]
    z = s * direction[0] + c * direction[2]
    y = direction[1]
    total = (
        harmonics[index, 0]
        + harmonics[index, 1] * y
        + harmonics[index, 2] * z
        + harmonics[index, 3] * x
        + harmonics[index, 4] * (x * y)
        + harmonics[index, 5] * (y * z)
        + harmonics[index, 6] * (3.0 * z * z - 1.0)
        + harmonics[index, 7] * (x * z)
        + harmonics[index, 8] * (x * x - y * y)
    )
    return wp.max(total, wp.vec3(0.0))


@wp.func
def direct_light(
    normal: wp.vec3,
    view: wp.vec3,
    light: wp.vec3,
    diffuse: wp.vec3,
    specular: wp.vec3,
    roughness: float,
):
    """Reflected share of a directional light, times the cosine."""
    nl = wp.max(wp.dot(normal, light), 0.0)
    nv = wp.max(wp.dot(normal, view), 1.0e-3)
    half_way = wp.normalize(view + light)
    nh = wp.max(wp.dot(normal, half_way), 0.0)
    vh = wp.max(wp.dot(view, half_way), 0.0)
    alpha2 = roughness * roughness * roughness * roughness
    denominator = nh * nh * (alpha2 - 1.0) + 1.0
    distribution = alpha2 / (PI * denominator * denominator)
    k = (roughness + 1.0) * (roughness + 1.0) / 8.0
    visibility = 0.25 / ((nv * (1.0 - k) + k) * (nl * (1.0 - k) + k))
    q = 1.0 - vh
    fresnel = specular + (wp.vec3(1.0) - specular) * (q * q * q * q * q)
    return (
        wp.cw_mul(diffuse / PI, wp.vec3(1.0) - fresnel) + fresnel * (distribution * visibility)
    ) * nl


@wp.func
def environment_light(
    assets: Assets,
    scene: SceneRecord,
    normal: wp.vec3,
    view: wp.vec3,
    diffuse: wp.vec3,
    specular: wp.vec3,
    roughness: float,
):
    """Light from all around that a surface reflects."""
    nv = wp.max(wp.dot(normal, view), 1.0e-3)
    rx = 1.0 - roughness
    ry = -0.0275 * roughness + 0.0425
    rz = -0.572 * roughness + 1.04
    rw = 0.022 * roughness - 0.04
    a = wp.min(rx * rx, wp.pow(2.0, -9.28 * nv)) * rx + ry
    scale = -1.04 * a + rz
    bias = 1.04 * a + rw
    mirrored = normal * (2.0 * wp.dot(normal, view)) - view
    uv = map_coordinates(mirrored, scene.environment_rotation)
    last = assets.reflections.shape[1] - 1
    level = roughness * float(last)
    lower = int(level)
    upper = wp.min(lower + 1, last)
    reflected = wp.lerp(
        sample_map(assets.reflections, scene.environment, lower, uv[0], uv[1]),
        sample_map(assets.reflections, scene.environment, upper, uv[0], uv[1]),
        level - float(lower),
    )
    light = irradiance(assets.harmonics, scene.environment, normal, scene.environment_rotation)
    colour = wp.cw_mul(diffuse / PI, light) + wp.cw_mul(specular * scale + wp.vec3(bias), reflected)
    return colour * scene.environment_intensity


@wp.func
def sky_radiance(assets: Assets, scene: SceneRecord, direction: wp.vec3):
    uv = map_coordinates(direction, scene.environment_rotation)
    sky = sample_map(assets.backgrounds, scene.environment, 0, uv[0], uv[1])
    return sky * scene.environment_intensity


@wp.func
def normal_of(
    assets: Assets, instance: InstanceRecord, face: int, weights: wp.vec2, direction: wp.vec3
):
    """Return the normal of a point of a face, towards the origin of a ray."""
    mesh = assets.meshes[instance.mesh]
    corners = assets.faces[mesh.first_face + face]
    u = weights[0]
    v = weights[1]
    w = 1.0 - u - v
    normal = wp.normalize(
        instance.rotation
        * (
            assets.normals[mesh.first_vertex + corners[0]] * u
            + assets.normals[mesh.first_vertex + corners[1]] * v
            + assets.normals[mesh.first_vertex + corners[2]] * w
        )
    )
    if wp.dot(normal, direction) > 0.0:
        normal = -normal
    return normal


@wp.func
def surface_of(
    assets: Assets, instance: InstanceRecord, face: int, weights: wp.vec2, footprint: float
):
    """Return base colour and material of a point of a face.

    ``footprint`` is the width that a pixel has there, in metres.
    """
    mesh = assets.meshes[instance.mesh]
    slot = assets.face_materials[mesh.first_face + face]
    which = instance.materials[slot % SLOTS]
    if which < 0:
        which = mesh.first_material + slot
    material = assets.materials[which]
    base = material.base_colour
    if material.texture >= 0:
        corners = assets.faces[mesh.first_face + face]
        u = weights[0]
        v = weights[1]
        w = 1.0 - u - v
        uv = (
            assets.coordinates[mesh.first_vertex + corners[0]] * u
            + assets.coordinates[mesh.first_vertex + corners[1]] * v
            + assets.coordinates[mesh.first_vertex + corners[2]] * w
        )
        repeats = footprint * mesh.texture_density / instance.scale
        base = wp.cw_mul(
            base,
            sample_texture(assets.texels, assets.textures[material.texture], uv[0], uv[1], repeats),
        )
    base = wp.max(instance.recolour * base, wp.vec3(0.0))
    return base, material


@wp.func
def reflected_light(
    assets: Assets,
    scene: SceneRecord,
    instance: InstanceRecord,
    face: int,
    weights: wp.vec2,
    normal: wp.vec3,
    direction: wp.vec3,
    light: wp.vec3,
    footprint: float,
    lit: bool,
):
    """Return what a point of a face reflects against a ray.

    That is the light from all around, and, if it is lit, the light from ``light``.
    """
    base, material = surface_of(assets, instance, face, weights, footprint)
    roughness = wp.clamp(material.roughness * instance.roughness, 0.05, 1.0)
    diffuse = base * (1.0 - material.metallic)
    specular = wp.vec3(0.04) * (1.0 - material.metallic) + base * material.metallic
    colour = environment_light(assets, scene, normal, -direction, diffuse, specular, roughness)
    direct = wp.vec3(0.0)
    if lit:
        reflected = direct_light(normal, -direction, light, diffuse, specular, roughness)
        direct = wp.cw_mul(reflected, scene.light_colour)
    return colour, direct


@wp.func
def filmic(x: float):
    return wp.clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0)


@wp.func
def encoded(exposed: wp.vec3):
    """Film curve and encoding: radiance after exposure as levels from 0 to 255."""
    levels = wp.vec3()
    for channel in range(3):
        levels[channel] = wp.pow(filmic(exposed[channel]), 1.0 / 2.2) * 255.0
    return levels
